package host

import (
	"bytes"
	stdlog "log"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/logger"
	"github.com/influxdata/telegraf/models"
)

// captureLog collects what is logged during the test.
func captureLog(t *testing.T, debug bool) (*bytes.Buffer, *logWriter) {
	t.Helper()
	var out bytes.Buffer
	logs, stop, err := startLogging(&out, debug)
	require.NoError(t, err)
	t.Cleanup(stop)
	return &out, logs
}

//promise:injection
func TestLogLines(t *testing.T) {
	plugin := logger.New("inputs", "x", "ali\nas")
	for _, tt := range []struct {
		name string
		log  func()
		want string
	}{
		{"error", func() { plugin.Error("a") }, "E! [inputs.x::ali\\x0aas] a\n"},
		{"warning", func() { plugin.Warnf("%d", 1) }, "W! [inputs.x::ali\\x0aas] 1\n"},
		{"info", func() { log.Info("a", 1, 2, "b") }, "I! a1 2b\n"},
		{"debug is off", func() { plugin.Debug("a") }, ""},
		{"standard library", func() { stdlog.Print("W! [x] y") }, "W! [x] y\n"},
		{"standard library, no level", func() { stdlog.Printf("y\n") }, "I! y\n"},
		{"lines", func() { log.Error("a\nb\r\n\n\tc\r\n\n") }, "E! a\nE! b\nE! \nE! \tc\n"},
		{"nothing", func() { log.Error("") }, "E! \n"},
		{"control characters", func() { log.Error("a\x1b[31mb\x00\x7f\u0085\rc") }, "E! a\\x1b[31mb\\x00\\x7f\\x85\\x0dc\n"},
		{"URLs", func() { log.Error("Get \"https://me:invented@a.example/x?key=y\": EOF") }, "E! Get \"https://…@a.example/x?…\": EOF\n"},
		{"no UTF-8", func() { log.Error("a\xffé") }, "E! a\uFFFDé\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := captureLog(t, false)
			tt.log()
			require.Equal(t, tt.want, out.String())
		})
	}
}

// execd's reader stops for good at a line of 64 KiB.
//
//promise:log
func TestLongLogLinesAreCut(t *testing.T) {
	out, _ := captureLog(t, false)
	log.Error(strings.Repeat("é", 1<<20) + "\nnext")
	lines := strings.Split(out.String(), "\n")
	require.Len(t, lines, 3)
	require.LessOrEqual(t, len(lines[0]), maxLogLine+40)
	require.True(t, strings.HasSuffix(lines[0], "é... (2088962 bytes more)"), lines[0][maxLogLine-10:])
	require.Equal(t, "E! next", lines[1])
}

//promise:log
func TestLogLevels(t *testing.T) {
	everything := func(l telegraf.Logger) {
		l.Error("e")
		l.Warn("w")
		l.Info("i")
		l.Debug("d")
		l.Trace("t")
	}
	for _, tt := range []struct {
		name         string
		debug, quiet bool
		own          string
		want         string // the levels that are printed
		wantOwn      string // for a plugin with its own level
		level        telegraf.LogLevel
	}{
		{"default", false, false, "", "E! W! I! ", "E! W! I! ", telegraf.Info},
		{"debug", true, false, "", "E! W! I! D! ", "E! W! I! D! ", telegraf.Debug},
		{"quiet", false, true, "", "E! ", "E! ", telegraf.Error},
		{"own, more", false, true, "trace", "E! ", "E! W! I! D! T! ", telegraf.Trace},
		{"own, less", true, false, "warn", "E! W! I! D! ", "E! W! ", telegraf.Warn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, logs := captureLog(t, false)
			input := models.NewRunningInput(&plain{}, &models.InputConfig{Name: "plain", LogLevel: tt.own})
			require.NoError(t, logs.setLevel(tt.debug, tt.quiet))
			setLogLevel(input)
			levels := func() string {
				var levels strings.Builder
				for line := range strings.Lines(out.String()) {
					levels.WriteString(line[:3])
				}
				out.Reset()
				return levels.String()
			}

			everything(log)
			require.Equal(t, tt.want, levels())
			everything(input.Log())
			require.Equal(t, tt.wantOwn, levels())
			require.Equal(t, tt.level, input.Log().Level())

			unmute := logs.mute()
			everything(log)
			unmute()
			require.Empty(t, levels())
			everything(log)
			require.Equal(t, tt.want, levels())
		})
	}
}

// Telegraf's logger keeps all messages until it is set up.
//
//promise:log
func TestSuppressedLinesCostNoMemory(t *testing.T) {
	out, _ := captureLog(t, false)
	plugin := logger.New("inputs", "x", "")
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for n := range 1_000_000 {
		plugin.Debugf("line %d", n)
	}
	require.Less(t, heap(), before+1<<20)
	require.Empty(t, out.String())
}
