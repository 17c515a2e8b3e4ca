package main

import (
	"bytes"
	"context"
	crypto "crypto/rand"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// flips is how many bytes of a tile or bundle are changed, one at a time; of a checkpoint it is every one.
const flips = 24

// proofs is how many inclusion proofs an audit makes here.
const proofs = 4

// service is the log that runs while these tests do, named by LOG_URL and LOG_KEY.
func service(t *testing.T) (url, key string) {
	url, key = os.Getenv("LOG_URL"), os.Getenv("LOG_KEY")
	if url == "" || key == "" {
		t.Skip("LOG_URL and LOG_KEY name no log")
	}
	return url, key
}

// tape keeps what a log has answered, and answers the same again, with one byte changed if it is told to.
type tape struct {
	mu      sync.Mutex
	answers map[string]answer
	path    string
	at      int
	mask    byte
}

type answer struct {
	header http.Header
	body   []byte
}

func (p *tape) RoundTrip(request *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := request.URL.Path
	kept, known := p.answers[path]
	if !known {
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil || response.StatusCode != http.StatusOK {
			return response, err
		}
		defer response.Body.Close()
		if kept.body, err = io.ReadAll(response.Body); err != nil {
			return nil, err
		}
		kept.header = response.Header
		p.answers[path] = kept
	}
	body := bytes.Clone(kept.body)
	if path == p.path {
		body[p.at] ^= p.mask
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Request: request,
		Header: kept.header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// with opens a log and runs a check on it.
func with(transport http.RoundTripper, url, key string, check func(context.Context, *log) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	log, err := open(ctx, transport, url, key)
	if err != nil {
		return err
	}
	return check(ctx, log)
}

func audit(ctx context.Context, log *log) error { return log.audit(ctx, nil, proofs, func(string) {}) }

func fsckAlone(ctx context.Context, log *log) error { return log.checkAll(ctx) }

// TestEveryChangedByteIsNoticed changes bytes of each thing that an audit fetches, on the way to it.
func TestEveryChangedByteIsNoticed(t *testing.T) {
	url, key := service(t)
	tape := &tape{answers: map[string]answer{}}
	if err := with(tape, url, key, audit); err != nil {
		t.Fatalf("the log as it is: %v", err)
	}
	kinds := map[string]int{}
	for path, answer := range tape.answers {
		places := rand.Perm(len(answer.body))
		if !strings.HasSuffix(path, "/checkpoint") {
			places = places[:min(flips, len(places))]
		}
		for _, at := range places {
			// In base64, the last digit of 68 bytes has two bits that mean nothing, and Go does not look at them.
			if strings.HasSuffix(path, "/checkpoint") && at == len(answer.body)-len("x=\n") {
				continue
			}
			tape.path, tape.at, tape.mask = path, at, 1<<rand.IntN(8)
			if err := with(tape, url, key, audit); err == nil {
				t.Errorf("%s: byte %d with other bits %#x is not noticed", path, at, tape.mask)
			}
			// The other checks come first and notice it; fsck must by itself. Of bundles that end early it panics.
			if strings.Contains(path, "/tile/entries/") {
				continue
			}
			if err := with(tape, url, key, fsckAlone); err == nil {
				t.Errorf("%s: byte %d with other bits %#x is not noticed by fsck", path, at, tape.mask)
			}
		}
		kinds[kind(path)] += len(places)
	}
	for _, expected := range []string{"checkpoint", "entries", "entries, partial", "tile", "tile, partial"} {
		if kinds[expected] == 0 {
			t.Errorf("nothing was changed in a %s: %v", expected, kinds)
		}
	}
	t.Logf("changed bytes, each noticed: %v", kinds)
}

// kind names what a path leads to.
func kind(path string) string {
	name := "tile"
	switch {
	case strings.HasSuffix(path, "/checkpoint"):
		return "checkpoint"
	case strings.Contains(path, "/tile/entries/"):
		name = "entries"
	}
	if strings.Contains(path, ".p/") {
		name += ", partial"
	}
	return name
}

// TestAnotherKeyIsRefused takes the log's name with another key.
func TestAnotherKeyIsRefused(t *testing.T) {
	url, key := service(t)
	name, _, _ := strings.Cut(key, "+")
	_, other, err := note.GenerateKey(crypto.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := with(http.DefaultTransport, url, other, audit); err == nil {
		t.Error("a key that did not sign is believed")
	}
}
