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

// maxLogLine is the maximum length of a log line in bytes. execd stops reading for good at a line of 64 KiB.
const maxLogLine = 8 << 10

// log is the logger for messages that belong to no input.
var log telegraf.Logger = logger.New("", "", "")

// levelAttribute is the logger attribute that carries a plugin's own log level to the writer.
const levelAttribute = "log_level"

// logWriter prints the messages of Telegraf's logger in the form that execd parses, "I! [inputs.x::alias] message", one
// line at a time and without the logins and queries of URLs. Telegraf calls it before filtering by level, so it does
// that itself.
type logWriter struct {
	level atomic.Int64
	mu    sync.Mutex
	out   io.Writer
}

// startLogging sends everything logged through Telegraf's logger, including the standard library's log, to out. The
// returned function ends that.
func startLogging(out io.Writer, debug bool) (*logWriter, func(), error) {
	// The library that replaces environment variables logs its own warnings about unset variables, even if they have a
	// default. The configuration check reports the missing ones instead.
	logrus.SetOutput(io.Discard)
	w := &logWriter{out: out}
	if err := w.setLevel(debug, false); err != nil {
		return nil, nil, err
	}
	id, err := logger.AddCallback(w.print)
	return w, func() { logger.RemoveCallback(id) }, err
}

// setLevel sets the level of all loggers without a level of their own. It also sets up Telegraf's logger, so that
// Level() is right and early messages are not buffered, but discards what that prints.
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

// mute suppresses all messages until the returned function is called.
func (w *logWriter) mute() (unmute func()) {
	level := w.level.Swap(int64(telegraf.None))
	return func() { w.level.Store(level) }
}

// setLogLevel passes the input's own log_level to the writer.
func setLogLevel(input *models.RunningInput) {
	input.Log().AddAttribute(levelAttribute, input.Log().Level())
}

// repeated is an error that Telegraf's logger counts as an error, but that is printed at debug level.
type repeated struct{ error }

func (w *logWriter) print(level telegraf.LogLevel, _ time.Time, source string, attributes map[string]interface{}, args ...interface{}) {
	if len(args) == 1 {
		if repeat, ok := args[0].(repeated); ok {
			level, args = telegraf.Debug, []any{"Error in plugin: ", repeat.error}
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
	io.WriteString(w.out, text.String()) //nolint:errcheck // there is nowhere left to report it
}

// logLine makes a line printable: it escapes control characters, replaces invalid UTF-8 and cuts long lines.
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
