package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/tlog"
)

// workers is how many requests are under way at a time.
const workers = 8

// audit checks everything that a log says, and tells what holds. seen is a checkpoint of before, or empty.
func (l *log) audit(ctx context.Context, seen []byte, proofs int, holds func(string)) error {
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"checkpoint", func() error { return l.checkCheckpoint(ctx) }},
		{"entries", func() error { return l.checkEntries(ctx) }},
		{"inclusion", func() error { return l.checkInclusion(ctx, proofs) }},
		{"consistency", func() error { return l.checkConsistency(ctx, seen) }},
		{"fsck", func() error { return l.checkAll(ctx) }},
	} {
		if err := check.run(); err != nil {
			return fmt.Errorf("%s: %w", check.name, err)
		}
		holds(check.name)
	}
	return nil
}

// checkCheckpoint has tessera read the checkpoint, as golang.org/x/mod has.
func (l *log) checkCheckpoint(ctx context.Context) error {
	checkpoint, _, _, err := client.FetchCheckpoint(ctx, l.ReadCheckpoint, l.verifier, l.verifier.Name())
	if err != nil {
		return err
	}
	if checkpoint.Size != uint64(l.tree.N) || !bytes.Equal(checkpoint.Hash, l.tree.Hash[:]) {
		return fmt.Errorf("two readers, two trees: %d and %d", checkpoint.Size, l.tree.N)
	}
	return nil
}

// checkEntries reads all entries by tessera's client, and holds each against its leaf in the tiles that
// golang.org/x/mod has held against the root.
func (l *log) checkEntries(ctx context.Context) error {
	size := uint64(l.tree.N)
	getSize := func(context.Context) (uint64, error) { return size, nil }
	bundles := client.EntryBundles(ctx, workers, getSize, l.ReadEntryBundle, 0, size)
	hashes := l.hashes(ctx)
	var next int64
	var leaves []tlog.Hash
	for entry, err := range client.Entries(bundles, unbundle) {
		if err != nil {
			return err
		}
		if entry.Index != uint64(next) || entry.Index >= size {
			return fmt.Errorf("expected entry %d of %d, found %d", next, size, entry.Index)
		}
		if !json.Valid(entry.Entry) {
			return fmt.Errorf("entry %d is not JSON", next)
		}
		leaves = append(leaves, tlog.RecordHash(entry.Entry))
		next++
		// By the tile: every reading fetches the tiles that it needs anew.
		if next%tileWidth == 0 || next == l.tree.N {
			if err := compare(hashes, next-int64(len(leaves)), leaves); err != nil {
				return err
			}
			leaves = leaves[:0]
		}
	}
	if next != l.tree.N {
		return fmt.Errorf("expected %d entries, found %d", size, next)
	}
	return nil
}

// compare holds consecutive leaves against the tree's.
func compare(hashes tlog.HashReader, first int64, leaves []tlog.Hash) error {
	indexes := make([]int64, 0, len(leaves))
	for i := range leaves {
		indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
	}
	expected, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, leaf := range leaves {
		if leaf != expected[i] {
			return fmt.Errorf("entry %d is not the leaf of the tree", first+int64(i))
		}
	}
	return nil
}

// checkInclusion proves entries at random indexes, the first and the last, by two libraries.
func (l *log) checkInclusion(ctx context.Context, proofs int) error {
	if l.tree.N == 0 {
		return nil
	}
	builder, err := client.NewProofBuilder(ctx, uint64(l.tree.N), l.ReadTile)
	if err != nil {
		return err
	}
	hashes := l.hashes(ctx)
	for i := range proofs {
		index := rand.Int64N(l.tree.N)
		switch i {
		case 0:
			index = 0
		case 1:
			index = l.tree.N - 1
		}
		bundle, err := client.GetEntryBundle(ctx, l.ReadEntryBundle, uint64(index)/tileWidth, uint64(l.tree.N))
		if err != nil {
			return err
		}
		if len(bundle.Entries) <= int(index%tileWidth) {
			return fmt.Errorf("entry %d is missing in its bundle", index)
		}
		if err := l.proveEntry(ctx, builder, hashes, index, bundle.Entries[index%tileWidth]); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	return nil
}

func (l *log) proveEntry(
	ctx context.Context, builder *client.ProofBuilder, hashes tlog.HashReader, index int64, entry []byte,
) error {
	path, err := builder.InclusionProof(ctx, uint64(index))
	if err != nil {
		return err
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(entry)
	err = proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(l.tree.N), leaf, path, l.tree.Hash[:])
	if err != nil {
		return err
	}
	record, err := tlog.ProveRecord(l.tree.N, index, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(record, l.tree.N, l.tree.Hash, index, tlog.RecordHash(entry))
}

// checkConsistency proves by two libraries that the tree extends the one of an earlier checkpoint.
func (l *log) checkConsistency(ctx context.Context, seen []byte) error {
	if len(seen) == 0 {
		return nil
	}
	older, err := parse(seen, l.verifier)
	if err != nil {
		return fmt.Errorf("the earlier checkpoint: %w", err)
	}
	if older.N > l.tree.N {
		return fmt.Errorf("the log had %d entries before and has %d now", older.N, l.tree.N)
	}
	if older.N == l.tree.N || older.N == 0 {
		if older.N == l.tree.N && older.Hash != l.tree.Hash {
			return fmt.Errorf("two roots at size %d: %s and %s", older.N, older.Hash, l.tree.Hash)
		}
		return nil
	}
	// Tessera's monitor, which begins at the earlier checkpoint and has to reach the newer one.
	consensus := client.UnilateralConsensus(l.ReadCheckpoint)
	monitor, err := client.NewLogStateTracker(ctx, l.ReadTile, seen, l.verifier, l.verifier.Name(), consensus)
	if err != nil {
		return err
	}
	if _, _, _, err := monitor.Update(ctx); err != nil {
		return err
	}
	if monitor.Latest().Size != uint64(l.tree.N) {
		return errors.New("tessera's monitor does not reach the newer checkpoint")
	}
	path, err := tlog.ProveTree(l.tree.N, older.N, l.hashes(ctx))
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, l.tree.N, l.tree.Hash, older.N, older.Hash)
}

// checkAll is tessera's fsck: it derives root and every tile from the entries, and compares.
func (l *log) checkAll(ctx context.Context) error {
	check := fsck.New(l.verifier.Name(), l.verifier, l, leafHashes, fsck.Opts{N: workers})
	done := make(chan error, 1)
	go func() { done <- check.Check(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unbundle splits an entry bundle.
func unbundle(bundle []byte) ([][]byte, error) {
	var read api.EntryBundle
	if err := read.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	return read.Entries, nil
}

// leafHashes are those of RFC 6962, section 2.1, as tlog-tiles has them.
func leafHashes(bundle []byte) ([][]byte, error) {
	entries, err := unbundle(bundle)
	if err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries))
	for _, entry := range entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}
