package host

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/logger"
	"github.com/influxdata/telegraf/models"
	"github.com/sirupsen/logrus"

	"telegraf-wolkvox-ivr/plugins/common/redact"
)

// maxLogLine bounds a line of the log: execd's reader gives up for good at one of 64 KiB.
const maxLogLine = 8 << 10

// log is for what comes from no input.
var log telegraf.Logger = logger.New("", "", "")

// levelAttribute is the logger attribute that carries a plugin's own log level to the writer.
const levelAttribute = "log_level"

// logWriter prints what Telegraf's logger is given in the form that execd classifies, "I! [inputs.x::alias] message",
// one line after the other and without logins and queries of URLs. Telegraf calls it before it looks at levels, so it does that itself.
type logWriter struct {
	level atomic.Int64
	mu    sync.Mutex
	out   io.Writer
}

// startLogging sends everything logged through Telegraf's logger, the standard library's log included, to out.
// The function returned ends that.
func startLogging(out io.Writer, debug bool) (*logWriter, func(), error) {
	// What substitutes environment variables warns of those that are not set by a log of its own, even where there is a
	// default. Checking the configuration finds those that are missing.
	logrus.SetOutput(io.Discard)
	w := &logWriter{out: out}
	if err := w.setLevel(debug, false); err != nil {
		return nil, nil, err
	}
	id, err := logger.AddCallback(w.print)
	return w, func() { logger.RemoveCallback(id) }, err
}

// setLevel sets the level for all that has no level of its own. Telegraf's logger is told as well, so that Level()
// says the truth, and keeps no early messages; what it prints itself goes nowhere.
func (w *logWriter) setLevel(debug, quiet bool) error {
	level := telegraf.Info
	if debug {
		level = telegraf.Debug
	}
	if quiet {
		level = telegraf.Error
	}
	w.level.Store(int64(level))
	return logger.SetupLogging(&logger.Config{LogFormat: "text", Logfile: os.DevNull, Debug: debug, Quiet: quiet})
}

// mute suppresses everything until the function returned is called.
func (w *logWriter) mute() (unmute func()) {
	level := w.level.Swap(int64(telegraf.None))
	return func() { w.level.Store(level) }
}

// setLogLevel makes the input's own log_level known to the writer.
func setLogLevel(input *models.RunningInput) {
	input.Log().AddAttribute(levelAttribute, input.Log().Level())
}

// repeated is an error that counts as one, which Telegraf's logger does, but is printed at debug level.
type repeated struct{ error }

func (w *logWriter) print(level telegraf.LogLevel, _ time.Time, source string, attributes map[string]interface{}, args ...interface{}) {
	if len(args) == 1 {
		if again, ok := args[0].(repeated); ok {
			level, args = telegraf.Debug, []any{"Error in plugin: ", again.error}
		}
	}
	limit, ok := attributes[levelAttribute].(telegraf.LogLevel)
	if !ok {
		limit = telegraf.LogLevel(w.level.Load())
	}
	if !limit.Includes(level) {
		return
	}

	prefix := level.Indicator() + " "
	if source != "" {
		prefix += "[" + source + "] "
	}
	var text strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(fmt.Sprint(args...), "\r\n"), "\n") {
		text.WriteString(logLine(prefix + redact.URLs(strings.TrimSuffix(line, "\r"))))
		text.WriteByte('\n')
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	io.WriteString(w.out, text.String()) //nolint:errcheck // there is nowhere left to tell
}

// logLine makes a line printable: control characters escaped, invalid UTF-8 replaced, cut where it is too long.
func logLine(line string) string {
	var b strings.Builder
	for i, r := range line {
		if b.Len() >= maxLogLine {
			fmt.Fprintf(&b, "... (%d bytes more)", len(line)-i)
			break
		}
		if unicode.IsControl(r) && r != '\t' {
			fmt.Fprintf(&b, `\x%02x`, r)
			continue
		}
		b.WriteRune(r) // U+FFFD where the line is not UTF-8
	}
	return b.String()
}
