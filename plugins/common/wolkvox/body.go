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
	// smallBody is what each response may take at any time. A day's report has 2 KiB.
	smallBody = 8 << 10
	// monthBody is more than a month's report has, which is 55 KiB.
	monthBody = 256 << 10
	// maxBody bounds a body, uncompressed: 744 rows, the most that are requested, may have 2.8 KiB each, and are of 75 bytes.
	maxBody = 2 << 20
)

// Larger bodies are read in turns: so many at a time in this process.
var (
	monthBodies = make(turns, 32)
	largeBodies = make(turns, 4)
)

var (
	errTooLong = fmt.Errorf("longer than %d MiB", maxBody>>20)
	errHeldUp  = errors.New("waited too long for large responses of other operations")
)

// readBody reads the body, which may have to wait for larger ones of other operations.
func (r *Response) readBody(ctx context.Context) {
	var body io.Reader = r.HTTP.Body
	encoding := strings.ToLower(r.HTTP.Header.Get("Content-Encoding"))
	isZipped := encoding == "gzip" || encoding == "x-gzip" // which was not asked for, and takes 40 KiB
	if !isZipped && !r.read(body, smallBody) {
		return
	}
	if !r.take(ctx, monthBodies) {
		return
	}
	if isZipped {
		unzipped, err := gzip.NewReader(io.LimitReader(body, maxBody)) // there may be much of it that stands for nothing
		if err != nil {
			r.BodyErr = err
			return
		}
		body = unzipped
	}
	if r.read(body, monthBody) && r.take(ctx, largeBodies) && r.read(body, maxBody+1) {
		r.Body, r.BodyErr = r.Body[:maxBody], errTooLong
	}
}

// read reads the body up to a size. It returns whether there may be more.
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

// take waits for a turn, and gives back the one before.
func (r *Response) take(ctx context.Context, t turns) bool {
	if !t.take(ctx) {
		r.BodyErr = fmt.Errorf("%w: %w", errHeldUp, ctx.Err())
		return false
	}
	r.Release()
	r.turn = t
	return true
}

// Release has other large responses read, as the body is not needed any more.
func (r *Response) Release() {
	if r.turn != nil {
		r.turn.giveBack()
		r.turn = nil
	}
}
