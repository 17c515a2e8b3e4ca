// Cosign adds cosignatures to a checkpoint, as witnesses would (C2SP tlog-cosignature).
//
//	go run ./cosign -key "$LOG_KEY" <checkpoint >cosigned
//
// The note that it writes has as many signature lines as every reader must accept: the log's, fourteen of type
// cosignature/v1 that hold, by witnesses made for the purpose, and one as long as those of ML-DSA-44, by a key that
// nobody knows. It writes nothing unless golang.org/x/mod/sumdb/note opens it and finds just that.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

const (
	// signatures is how many lines every reader must accept (C2SP signed-note).
	signatures = 16
	// mlDSA is the length of a key id, a timestamp and an ML-DSA-44 signature (C2SP tlog-cosignature).
	mlDSA = 4 + 8 + 2420
)

func main() {
	key := flag.String("key", "", "the log's verifier key")
	flag.Parse()
	if *key == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*key); err != nil {
		fmt.Fprintln(os.Stderr, "cosign:", err)
		os.Exit(1)
	}
}

func run(key string) error {
	checkpoint, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	log, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	verifiers := []note.Verifier{log}
	for i := 1; len(verifiers) < signatures-1; i++ {
		secret, _, err := note.GenerateKey(rand.Reader, fmt.Sprintf("witness.example/w%d", i))
		if err != nil {
			return err
		}
		witness, err := cosignature.NewSignerForCosignatureV1(secret)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, witness.Verifier())
		if checkpoint, err = cosign(checkpoint, witness, verifiers); err != nil {
			return err
		}
	}
	stranger := make([]byte, mlDSA)
	rand.Read(stranger)
	checkpoint = fmt.Appendf(checkpoint, "— witness.example/quantum %s\n", base64.StdEncoding.EncodeToString(stranger))
	return write(checkpoint, verifiers)
}

// cosign adds a line, and leaves what was there as it was.
func cosign(checkpoint []byte, witness note.Signer, verifiers []note.Verifier) ([]byte, error) {
	opened, err := note.Open(checkpoint, note.VerifierList(verifiers...))
	if err != nil {
		return nil, err
	}
	alone, err := note.Sign(&note.Note{Text: opened.Text}, witness)
	if err != nil {
		return nil, err
	}
	line, _ := bytes.CutPrefix(alone, []byte(opened.Text+"\n"))
	return append(checkpoint, line...), nil
}

func write(checkpoint []byte, verifiers []note.Verifier) error {
	opened, err := note.Open(checkpoint, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != signatures-1 || len(opened.UnverifiedSigs) != 1 {
		return fmt.Errorf("%d signatures hold, %d are unknown", len(opened.Sigs), len(opened.UnverifiedSigs))
	}
	_, err = os.Stdout.Write(checkpoint)
	return err
}
