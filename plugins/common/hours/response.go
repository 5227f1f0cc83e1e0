package hours

import "time"

// Shown is what a response shows for one hour.
type Shown struct {
	Reading
	NoMinutes  bool // it has calls, but no minutes yet
	Unreadable bool // it has a row that can't be read
}

// Response is what a response shows for the requested hours.
type Response struct {
	Window
	Hours   []Shown // of the window, in order
	Undated bool    // some rows have an unreadable hour, so they may belong to any hour
}

// NewResponse returns a response without rows.
func NewResponse(w Window) *Response { return &Response{Window: w, Hours: make([]Shown, w.Hours())} }

// At returns what the response shows for an hour, which must be in its window.
func (r *Response) At(h Hour) *Shown { return &r.Hours[h-r.From] }

// calls returns the hours with calls.
func (r *Response) calls() (hours Set) {
	for i := range r.Hours {
		if r.Hours[i].hasCalls() {
			hours.extend(r.From + Hour(i))
		}
	}
	return hours
}

// Result is the outcome of recording a response.
type Result struct {
	Rows   []Row // to send
	Hidden int   // hours whose calls earlier responses showed, but this one doesn't

	HasCalls bool // the response shows calls

	hasNewReading bool   // of an hour below the watermark
	tooWide       []Hour // hours below the watermark whose silence isn't credible because the window was too wide
	inconclusive  []Hour // hours with an unreadable row, or whose silence isn't credible for another reason
}

// Row is one row to be sent.
type Row struct {
	Hour  Hour
	Start time.Time // of the hour
	Figures
	IsFinal bool
}
