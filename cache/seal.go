package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// SealKeySize is the size of a Sealer's keys in bytes: AES-256.
const SealKeySize = 32

// sealOverhead is what a seal adds: the nonce before, the tag behind.
const sealOverhead = 12 + 16

// ErrSealKey is returned for a key of another size than SealKeySize.
var ErrSealKey = errors.New("mlcache: an encryption key must have 32 bytes")

// Sealer encrypts entries with AES-256-GCM under a random nonce each (NIST SP
// 800-38D, 8.2.2: up to 2^32 entries a key). What was changed, forged, or moved to another
// key does not open and so is a miss. It is safe for concurrent use.
type Sealer struct {
	aeads []cipher.AEAD // the present key first
}

// NewSealer seals with key and opens what key or one of the previous keys has
// sealed. To rotate, give all processes the new key as a previous one first, then
// make it the key, and drop the old one when its entries have ended.
func NewSealer(key []byte, previous ...[]byte) (*Sealer, error) {
	s := &Sealer{}
	for _, k := range append([][]byte{key}, previous...) {
		if len(k) != SealKeySize {
			return nil, ErrSealKey
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("mlcache: encryption: %w", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("mlcache: encryption: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// seal appends the sealed form of b, bound to the given context, to dst.
func (s *Sealer) seal(dst, b, context []byte) []byte {
	aead := s.aeads[0]
	var nonce [12]byte
	rand.Read(nonce[:]) // never fails
	dst = append(dst, nonce[:]...)
	return aead.Seal(dst, nonce[:], b, context)
}

// open gives back what was sealed, in new memory. Its error is ErrCorrupt.
func (s *Sealer) open(b, context []byte) ([]byte, error) {
	if len(b) < sealOverhead {
		return nil, ErrCorrupt
	}
	for _, aead := range s.aeads {
		if out, err := aead.Open(nil, b[:12], b[12:], context); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: the seal does not open", ErrCorrupt)
}
