package hours

// form is how much of the live window is requested. If one form fails, the next is tried. While another one works, the whole window is tried
// again after retryWholeAfter requests.
type form int

const (
	whole       form = iota // to the end of today
	untilNow                // to the end of the running hour
	runningHour             // nothing but the running hour
	ended                   // without the running hour
	forms
)

// purpose is why hours are requested.
type purpose int

const (
	live   purpose = iota
	past           // the newest open hours
	bisect         // postponed hours of which it is not known whether they fail, in the middle
	extend         // the hour before postponed ones
	retry          // some of the postponed hours that are due
)

// Request is a request to make.
type Request struct {
	Window  Window
	purpose purpose
	of      *Postponed // for bisect, extend and retry

	form      form // of a live request
	isDay     bool // it is for one day of the live window
	isRetried bool // it is for the whole live window, or several days, which has failed before, while a narrower one works
}

// IsLive reports whether the request is for the live window, not for history.
func (q Request) IsLive() bool { return q.purpose == live }

// IsProbe reports whether the request tries what may not work: history, or a whole live window that has failed before.
func (q Request) IsProbe() bool { return !q.IsLive() || q.isRetried }
