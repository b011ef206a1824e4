package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// serve is the relay of a child process.
func serve(ctx context.Context, s *settings) error {
	r, err := newRelay(s.dir)
	if err != nil {
		return err
	}
	defer r.listener.Close()
	fmt.Println(r.listener.Addr(), r.pin)
	r.serve(ctx)
	return nil
}

func (r *relay) serve(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	for {
		c, err := r.listener.Accept(ctx)
		if err != nil {
			return
		}
		work.Go(func() {
			defer c.Close()
			for {
				s, err := c.Accept(ctx)
				if err != nil {
					return
				}
				work.Go(func() {
					defer s.Close()
					if err := r.answer(s); err != nil {
						fmt.Fprintln(os.Stderr, "relay:", err)
					}
				})
			}
		})
	}
}

// answer answers one request of an investigator.
func (r *relay) answer(s *transport.Stream) error {
	if s.Kind() == message.KindAuth {
		return r.greet(s)
	}
	_, body, err := s.ReadFrame(message.Limit)
	if err != nil {
		return err
	}
	var q message.Request
	if err := message.Unmarshal(body, &q); err != nil {
		return err
	}
	switch q.Op {
	case message.OpList:
		err = r.list(s)
	case message.OpFollow:
		err = r.follow(s, q.Plan)
	}
	return errors.Join(err, s.WriteFrame(message.TypeEnd, nil))
}

// greet lets anyone in: whom it lets in is not what is measured.
func (r *relay) greet(s *transport.Stream) error {
	if err := s.WriteFrame(message.TypeChallenge, make([]byte, 32)); err != nil {
		return err
	}
	if _, _, err := s.ReadFrame(message.Limit); err != nil {
		return err
	}
	return s.WriteFrame(message.TypeGranted, message.Marshal(message.Granted{Relay: "answers", Policy: r.policy}))
}

// plans gives the questions by the IDs of their plans.
func (r *relay) plans() (map[message.ID]string, map[message.ID][]byte, error) {
	names, texts := map[message.ID]string{}, map[message.ID][]byte{}
	for _, q := range questions {
		b, err := os.ReadFile(filepath.Join(r.dir, q.name+".envelope"))
		if err != nil {
			return nil, nil, err
		}
		e, err := signing.ParseEnvelope(b)
		if err != nil {
			return nil, nil, err
		}
		p, err := signing.DecodePlanPayload(e.Payload)
		if err != nil {
			return nil, nil, err
		}
		names[p.ID], texts[p.ID] = q.name, b
	}
	return names, texts, nil
}

func (r *relay) list(s *transport.Stream) error {
	_, texts, err := r.plans()
	if err != nil {
		return err
	}
	for id, b := range texts {
		if err := s.WriteFrame(message.TypeItem, message.Marshal(message.Investigation{Plan: id, Envelope: b})); err != nil {
			return err
		}
	}
	return nil
}

// follow sends an investigation as a relay does that has all of it: each agent
// is named, then comes its answer, then that it is done.
func (r *relay) follow(s *transport.Stream, id message.ID) error {
	names, texts, err := r.plans()
	if err != nil {
		return err
	}
	if err := s.WriteFrame(message.TypeEnvelope, texts[id]); err != nil {
		return err
	}
	agents, err := openFrames(filepath.Join(r.dir, fileAgents))
	if err != nil {
		return err
	}
	defer agents.file.Close()
	chunks, err := openFrames(filepath.Join(r.dir, names[id]+".frames"))
	if err != nil {
		return err
	}
	defer chunks.file.Close()
	for {
		for _, from := range []*frames{agents, chunks} {
			t, body, err := from.next()
			if errors.Is(err, io.EOF) {
				return s.WriteFrame(message.TypeCaughtUp, nil)
			}
			if err == nil {
				err = s.WriteFrame(t, body)
			}
			if err != nil {
				return err
			}
			if t != message.TypeChunk {
				continue
			}
			c, err := message.DecodeChunk(body)
			if err != nil {
				return err
			}
			state := message.State{Agent: c.Agent, Reached: true, Done: true, Online: true, Chunks: 1}
			if err := s.WriteFrame(message.TypeState, state.Append(nil)); err != nil {
				return err
			}
		}
	}
}

// frames are read from a file: type, length in four bytes, body.
type frames struct {
	file *os.File
	in   *bufio.Reader
	body []byte
}

func openFrames(name string) (*frames, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &frames{file: f, in: bufio.NewReaderSize(f, 1<<20)}, nil
}

// next gives a frame, which is good until the next.
func (f *frames) next() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if cap(f.body) < n {
		f.body = make([]byte, n)
	}
	f.body = f.body[:n]
	_, err := io.ReadFull(f.in, f.body)
	return head[0], f.body, err
}
