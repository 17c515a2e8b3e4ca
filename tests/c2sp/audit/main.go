// Audit checks a running log with other people's C2SP clients.
//
// It knows the log's address and its verifier key, and nothing else: no line of the log's own code is used here.
// Signature, tree and proofs are checked twice, by golang.org/x/mod/sumdb and by github.com/transparency-dev/tessera.
//
//	go run ./audit -url http://127.0.0.1:8080 -key "$LOG_KEY" [-state FILE] [-proofs N]
//
// With -state it is a monitor: the newest checkpoint that held is kept in FILE, and the next one must extend it.
// It ends with 0 if everything holds, with 1 if anything does not, with 2 if it was called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

// patience ends an audit that a broken log could make wait for ever.
const patience = 10 * time.Minute

func main() {
	url := flag.String("url", "", "the log's prefix, such as http://127.0.0.1:8080")
	key := flag.String("key", "", "the log's verifier key")
	state := flag.String("state", "", "a file for the newest checkpoint that held")
	proofs := flag.Int("proofs", 64, "how many inclusion proofs to make")
	flag.Parse()
	if *url == "" || *key == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*url, *key, *state, *proofs); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

func run(url, key, state string, proofs int) error {
	var seen []byte
	if state != "" {
		var err error
		if seen, err = os.ReadFile(state); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	log, err := open(ctx, http.DefaultTransport, url, key)
	if err != nil {
		return err
	}
	if err := log.audit(ctx, seen, proofs, func(check string) { fmt.Println(check, "holds") }); err != nil {
		return err
	}
	fmt.Printf("%s: %d entries hold under %s\n", log.verifier.Name(), log.tree.N, log.tree.Hash)
	if state == "" {
		return nil
	}
	return os.WriteFile(state, log.checkpoint, 0o644)
}
