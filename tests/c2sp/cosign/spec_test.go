package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// TestTheExampleOfTheSpecificationHolds reads the cosigned checkpoint and both keys out of docs/spec/checkpoint.md.
func TestTheExampleOfTheSpecificationHolds(t *testing.T) {
	spec, err := os.ReadFile("../../../docs/spec/checkpoint.md")
	if err != nil {
		t.Fatal(err)
	}
	var example string
	for _, block := range strings.Split(string(spec), "```\n") {
		if strings.HasPrefix(block, "test.local/log\n") {
			example = block
		}
	}
	keys := regexp.MustCompile("`([a-z./0-9]+\\+[0-9a-f]{8}\\+[A-Za-z0-9+/=]+)`").FindAllStringSubmatch(string(spec), -1)
	if len(keys) != 2 {
		t.Fatalf("expected the keys of log and witness, found %v", keys)
	}
	log, err := note.NewVerifier(keys[0][1])
	if err != nil {
		t.Fatal(err)
	}
	witness, err := cosignature.NewVerifierForCosignatureV1(keys[1][1])
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(example), note.VerifierList(log, witness))
	if err != nil {
		t.Fatal(err)
	}
	if len(opened.Sigs) != 2 || len(opened.UnverifiedSigs) != 0 {
		t.Fatalf("%d signatures hold", len(opened.Sigs))
	}
	when, err := cosignature.CoSigV1Timestamp(opened.Sigs[1])
	if err != nil || when.Unix() != 1679315147 {
		t.Fatalf("cosigned at %v, %v", when, err)
	}
}
