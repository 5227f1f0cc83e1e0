package wolkvox

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// smallBody is the size up to which bodies are read without a limit on how many at a time. A day's report takes 2 KiB.
	smallBody = 8 << 10
	// monthBody fits a month's report, which takes 55 KiB.
	monthBody = 256 << 10
	// maxBody is the largest accepted body, uncompressed. It allows 2.8 KiB for each of 744 rows, the most per request; they take 75 bytes.
	maxBody = 2 << 20
)

// These limit how many larger bodies this process reads at a time.
var (
	monthBodies = make(semaphore, 32)
	largeBodies = make(semaphore, 4)
)

var (
	errTooLong = fmt.Errorf("longer than %d MiB", maxBody>>20)
	errQueued  = errors.New("waited too long for large responses of other operations")
)

// readBody reads the body. Larger ones may have to wait for other operations' responses.
func (r *Response) readBody(ctx context.Context) {
	var body io.Reader = r.HTTP.Body
	encoding := strings.ToLower(r.HTTP.Header.Get("Content-Encoding"))
	isZipped := encoding == "gzip" || encoding == "x-gzip" // not requested, and takes 40 KiB
	if !isZipped && !r.read(body, smallBody) {
		return
	}
	if !r.acquire(ctx, monthBodies) {
		return
	}
	if isZipped {
		unzipped, err := gzip.NewReader(io.LimitReader(body, maxBody)) // even empty content may go on without end
		if err != nil {
			r.BodyErr = err
			return
		}
		body = unzipped
	}
	if r.read(body, monthBody) && r.acquire(ctx, largeBodies) && r.read(body, maxBody+1) {
		r.Body, r.BodyErr = r.Body[:maxBody], errTooLong
	}
}

// read reads the body up to a size in bytes. It reports whether there may be more.
func (r *Response) read(body io.Reader, size int) bool {
	buffer := bytes.NewBuffer(nil)
	if size > smallBody {
		buffer.Grow(size + bytes.MinRead)
	}
	buffer.Write(r.Body)
	_, r.BodyErr = buffer.ReadFrom(io.LimitReader(body, int64(size-buffer.Len())))
	r.Body = buffer.Bytes()
	return r.BodyErr == nil && len(r.Body) == size
}

// acquire waits for a slot of the semaphore, and then releases the previous one. It returns false if ctx ends first.
func (r *Response) acquire(ctx context.Context, s semaphore) bool {
	if !s.acquire(ctx) {
		r.BodyErr = fmt.Errorf("%w: %w", errQueued, ctx.Err())
		return false
	}
	r.Release()
	r.held = s
	return true
}

// Release lets other large responses be read. Call it when the body is no longer needed.
func (r *Response) Release() {
	if r.held != nil {
		r.held.release()
		r.held = nil
	}
}
