package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/quaestor-engine/quaestor/signing"
)

// sums is the file of all checksums, as sha256sum -c reads it.
const sums = "SHA256SUMS"

// writeSums writes the checksums of all files of a folder, in their order.
func writeSums(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, e := range list {
		digest, err := digestOf(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", digest, e.Name())
	}
	return os.WriteFile(filepath.Join(dir, sums), text.Bytes(), 0o644)
}

// digestOf gives the SHA-256 of a file in hex.
func digestOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// signFile writes the detached signature of a file beside it, as .asc.
func signFile(ctx context.Context, name, keyFile, phraseFile string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	key, err := signing.ReadPrivateKey(text)
	if err != nil {
		return err
	}
	if key.Locked() {
		phrase, err := os.ReadFile(phraseFile)
		if err != nil {
			return fmt.Errorf("the key is locked: -passphrase-file: %w", err)
		}
		if err := key.Unlock(bytes.TrimRight(phrase, "\r\n")); err != nil {
			return err
		}
	}
	msg, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	sig, err := key.Sign(ctx, msg)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, "PGP SIGNATURE", nil)
	if err != nil {
		return err
	}
	if _, err := w.Write(sig); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(name+".asc", out.Bytes(), 0o644)
}
