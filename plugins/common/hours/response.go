package hours

import "time"

// Shown is what a response shows of one hour.
type Shown struct {
	Reading
	NoMinutes  bool // there are calls, but no minutes yet
	Unreadable bool // there is a row, but it can't be read
}

// Response is what a response shows of the requested hours.
type Response struct {
	Window
	Hours   []Shown // of the window, in order
	Undated bool    // there are rows whose hour can't be read: they may belong to any hour
}

// NewResponse returns a response without rows.
func NewResponse(w Window) *Response { return &Response{Window: w, Hours: make([]Shown, w.Hours())} }

// At returns what the response shows of an hour in its window.
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

// Result is what came of a response.
type Result struct {
	Rows   []Row // to send
	Hidden int   // hours whose calls the response does not show, though others have

	HasCalls bool // the response shows some

	isNew    bool   // it has a reading of an hour below the watermark
	tooWide  []Hour // below the watermark, whose silence is not credible because the window was too wide
	doubtful []Hour // whose row can't be read, or whose silence is not credible for another reason
}

// Row is one row to be sent.
type Row struct {
	Hour  Hour
	Start time.Time // of the hour
	Figures
	IsFinal bool
}
