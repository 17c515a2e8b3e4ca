package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"

	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// What tlog-tiles fixes: the levels that a tile spans, and the hashes or entries in a full one.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// log is a log at one of its sizes: that of the checkpoint which was the newest when it was opened.
type log struct {
	fetcher    *client.HTTPFetcher
	verifier   note.Verifier
	checkpoint []byte
	tree       tlog.Tree
}

// open fetches the newest checkpoint and checks its signature.
func open(ctx context.Context, transport http.RoundTripper, url, key string) (*log, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("the verifier key: %w", err)
	}
	prefix, err := neturl.Parse(url)
	if err != nil {
		return nil, err
	}
	fetcher, err := client.NewHTTPFetcher(prefix, &http.Client{Transport: strict{transport}})
	if err != nil {
		return nil, err
	}
	checkpoint, err := fetcher.ReadCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := parse(checkpoint, verifier)
	if err != nil {
		return nil, fmt.Errorf("the checkpoint: %w", err)
	}
	return &log{fetcher, verifier, checkpoint, tree}, nil
}

// parse opens a signed note, and reads the tlog-checkpoint in it.
func parse(checkpoint []byte, verifier note.Verifier) (tlog.Tree, error) {
	signed, err := note.Open(checkpoint, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), signed.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] || size < 0 {
		return tlog.Tree{}, fmt.Errorf("not a tree size: %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("not a root: %q", lines[2])
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// ReadCheckpoint gives the checkpoint with which the log was opened: the log may grow meanwhile.
func (l *log) ReadCheckpoint(context.Context) ([]byte, error) { return l.checkpoint, nil }

// ReadTile fetches a tile of hashes.
func (l *log) ReadTile(ctx context.Context, level, index uint64, partial uint8) ([]byte, error) {
	return l.fetcher.ReadTile(ctx, level, index, partial)
}

// ReadEntryBundle fetches entries.
func (l *log) ReadEntryBundle(ctx context.Context, index uint64, partial uint8) ([]byte, error) {
	return l.fetcher.ReadEntryBundle(ctx, index, partial)
}

// tiles reads tiles for golang.org/x/mod/sumdb/tlog, which holds each of them against the tree's root.
type tiles struct {
	ctx context.Context
	log *log
}

func (t tiles) Height() int { return tileHeight }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(wanted))
	for i, tile := range wanted {
		// A full tile is 256 wide, which is 0 in eight bits, and so tessera says it.
		bytes, err := t.log.ReadTile(t.ctx, uint64(tile.L), uint64(tile.N), uint8(tile.W))
		if err != nil {
			return nil, err
		}
		read[i] = bytes[:min(len(bytes), tile.W*tlog.HashSize)]
	}
	return read, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// hashes reads the tree's hashes out of tiles that were held against its root.
func (l *log) hashes(ctx context.Context) tlog.HashReader {
	return tlog.TileHashReader(l.tree, tiles{ctx, l})
}

// strict refuses answers whose headers are not those of tlog-tiles.
type strict struct{ http.RoundTripper }

func (s strict) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	expected := "application/octet-stream"
	if strings.HasSuffix(request.URL.Path, "/checkpoint") {
		expected = "text/plain; charset=utf-8"
	}
	found := response.Header.Get("Content-Type")
	mediaType, parameters, err := mime.ParseMediaType(found)
	if err != nil || mime.FormatMediaType(mediaType, parameters) != expected {
		response.Body.Close()
		return nil, fmt.Errorf("expected Content-Type %q, found %q", expected, found)
	}
	return response, nil
}
