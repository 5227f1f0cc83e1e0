package wolkvox

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
)

const (
	// maxBody bounds a body, uncompressed: 744 rows, the most that are requested, may have 2.8 KiB each, and are of 75 bytes.
	maxBody = 2 << 20
	// smallBody is what each response may take at any time. A day's report has 2 KiB.
	smallBody = 8 << 10
	// monthBody is what a month's report may take without more memory than it needs. One has 55 KiB.
	monthBody = 256 << 10
	// maxLargeBodies is how many responses of this process may take more at a time.
	maxLargeBodies = 4
)

var largeBodies = make(chan struct{}, maxLargeBodies)

var errTooLong = fmt.Errorf("longer than %d MiB", maxBody>>20)

// readBody reads the body, which may have to wait for larger ones of other operations.
func (r *Response) readBody(ctx context.Context) {
	var body io.Reader = r.HTTP.Body
	isZipped := strings.EqualFold(r.HTTP.Header.Get("Content-Encoding"), "gzip") // which was not asked for
	if !isZipped {
		if r.Body, r.BodyErr = io.ReadAll(io.LimitReader(body, smallBody)); len(r.Body) < smallBody || r.BodyErr != nil {
			return
		}
	}
	select {
	case largeBodies <- struct{}{}:
		r.isLarge = true
	case <-ctx.Done():
		r.BodyErr = ctx.Err()
		return
	}
	if isZipped {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			r.BodyErr = err
			return
		}
		body = unzipped
	}
	for _, size := range []int{monthBody, maxBody + 1} {
		buffer := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
		buffer.Write(r.Body)
		_, r.BodyErr = buffer.ReadFrom(io.LimitReader(body, int64(size-buffer.Len())))
		if r.Body = buffer.Bytes(); r.BodyErr != nil || len(r.Body) < size {
			return
		}
	}
	r.Body, r.BodyErr = r.Body[:maxBody], errTooLong
}

// Release has other large responses read, as the body is not needed any more.
func (r *Response) Release() {
	if r.isLarge {
		r.isLarge = false
		<-largeBodies
	}
}
