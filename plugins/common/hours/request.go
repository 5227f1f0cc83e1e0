package hours

// form is the part of the live window that a request covers. If one form fails, the next one is tried. While another form works, the whole
// window is retried after every retryWholeAfter requests.
type form int

const (
	whole       form = iota // to the end of today
	untilNow                // to the end of the current hour
	currentHour             // the current hour alone
	ended                   // everything but the current hour
	formCount
)

// purpose is the reason for a request.
type purpose int

const (
	live   purpose = iota
	past           // the newest open hours
	bisect         // the middle of skipped hours, to find where the failures begin
	extend         // the hour before failing ones
	retry          // part of a postponed range that is due
)

// Request is a request to make.
type Request struct {
	Window    Window
	purpose   purpose
	postponed *Postponed // for bisect, extend and retry

	form        form // of a live request
	isSingleDay bool // it covers one day of a longer live window
	isWideProbe bool // it retries the whole live window, or several days, after failures, while narrower windows work
}

// IsLive reports whether the request is for the live window rather than history.
func (q Request) IsLive() bool { return q.purpose == live }

// IsProbe reports whether failure is to be expected: the request is for history, or retries a wide live window that has failed before.
func (q Request) IsProbe() bool { return !q.IsLive() || q.isWideProbe }
