package wolkvox_ivr

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/influxdata/telegraf/testutil"
)

// Each of these APIs, machines and configurations has cost hours once. The checks of the model hold in all of them.

const (
	ledgerDay  = 24 * time.Hour
	ledgerYear = 365 * ledgerDay
)

// ledgerCase is a simulation that a test leads step by step.
type ledgerCase struct {
	*simulation
	t *testing.T
}

// newLedgerCase returns a running plugin of an operation with calls in all hours, after set has changed what it likes.
func newLedgerCase(t *testing.T, set func(traits *simTraits, options *simOptions)) *ledgerCase {
	t.Helper()
	t.Parallel()
	scenario := &simScenario{
		Traits: simTraits{
			Zone: "America/Bogota", Begin: time.Date(2026, 6, 15, 19, 2, 31, 0, time.UTC), First: 20 * ledgerYear,
			Width: 31 * 24, WidthForm: "400", Future: "yes", KeepForm: "empty", Empty: "404",
		},
		Options: simOptions{Timezone: "America/Bogota", Interval: "15m"},
	}
	set(&scenario.Traits, &scenario.Options)
	c := &ledgerCase{newSimulation(scenario), t}
	c.repeating = true // unless a test says otherwise
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	c.token += strings.ReplaceAll(t.Name(), "/", "-") // no other case waits for its turn
	c.require(c.start())
	t.Cleanup(func() { c.plugin.Stop() })
	return c
}

// require ends the test with the history if a promise is broken.
func (c *ledgerCase) require(err error) {
	c.t.Helper()
	if err != nil { // the history takes longer to write down than to play
		require.NoError(c.t, err, "after this history:\n%s", c.lastLines())
	}
}

// lastLines returns the end of the history.
func (c *ledgerCase) lastLines() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history(40)
}

// gathers lets the plugin gather for so long, and returns what it did.
func (c *ledgerCase) gathers(d time.Duration) ledgerTally {
	c.t.Helper()
	begin := len(c.log)
	for range int(d / c.options.interval()) {
		c.require(c.gather())
	}
	return c.tally(begin)
}

// happens plays events.
func (c *ledgerCase) happens(events ...simEvent) {
	c.t.Helper()
	for i := range events {
		c.require(c.happen(&events[i]))
	}
}

// restarts ends the plugin in order and starts it with changed options.
func (c *ledgerCase) restarts(off time.Duration, set func(*simOptions)) {
	c.t.Helper()
	options := c.options
	set(&options)
	c.happens(simEvent{Kind: "restart", D: off, Options: &options})
}

// recovers expects that everything wanted arrives in time, and returns what that took.
func (c *ledgerCase) recovers() ledgerTally {
	c.t.Helper()
	begin := len(c.log)
	c.require(c.recover())
	return c.tally(begin)
}

// ledgerTally is what happened between two lines of the history.
type ledgerTally struct {
	gathers, requests int
	past              int // requests without the running hour
	failed            int // requests
	errors            int // that gathers returned
	writes            int
	logged            []string
}

// warned returns how many warnings and errors there are that match.
func (l *ledgerTally) warned(pattern string) int {
	expression := regexp.MustCompile("(?i)^[EW]! .*(" + pattern + ")")
	n := 0
	for _, line := range l.logged {
		if expression.MatchString(line) {
			n++
		}
	}
	return n
}

// tally sums up the history from a line on.
func (c *ledgerCase) tally(begin int) ledgerTally {
	var tally ledgerTally
	zone := c.options.location()
	for _, g := range c.log[begin:] {
		tally.logged = append(tally.logged, g.logged...)
		if g.note != "" {
			tally.logged = append(tally.logged, g.note)
			continue
		}
		tally.gathers++
		tally.requests += len(g.requests)
		tally.writes += len(g.writes)
		if g.err != nil {
			tally.errors++
		}
		running := g.machine.Unix() + simOffset(g.machine.Unix(), zone)
		for i := range g.requests {
			if g.requests[i].to <= running {
				tally.past++
			}
			if g.requests[i].failed {
				tally.failed++
			}
		}
	}
	return tally
}

func TestLedgerLiveWindowNarrowsAfterAnOutage(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"400", "500", "504", "close", "200nul", "200[]", "404"} {
		t.Run(form, func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, _ *simOptions) { traits.Width, traits.WidthForm = 24, form })
			c.gathers(time.Hour)
			c.happens(simEvent{Kind: "outage", Form: "504"})
			c.gathers(3 * ledgerDay)
			c.recovers()
		})
	}
}

func TestLedgerNoRecordsAboveTheWidth(t *testing.T) {
	t.Parallel()
	for _, zeros := range []string{"omit", "zero"} {
		t.Run(zeros, func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.Width, traits.WidthForm = 30*24, "404"
				traits.Gap = [2]int{-100, -55}
				options.Backfill, options.EmptyHours = "2880h", zeros
			})
			c.recovers()
		})
	}
}

func TestLedgerNoRecordsAboveTheWidthWhereClocksAreSetForward(t *testing.T) {
	t.Parallel()
	for hour := range 24 { // a day of 23 hours has labels of 24
		t.Run(strconv.Itoa(hour), func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.Zone, options.Timezone = "America/Santiago", "America/Santiago"
				traits.Begin = time.Date(2026, 9, 4, hour, 2, 31, 0, time.UTC)
				traits.Width, traits.WidthForm = 24, "404"
			})
			c.gathers(ledgerDay)
			c.restarts(60*time.Hour, func(*simOptions) {})
			c.recovers()
		})
	}
}

func TestLedgerAnswersCutShort(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]simTraits{
		"first days": {CutHours: 72}, "last days": {CutHours: -72},
		"first rows": {CutRows: 50}, "last rows": {CutRows: -50},
	} {
		t.Run(name, func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.CutHours, traits.CutRows, traits.Quiet = cut.CutHours, cut.CutRows, 60
				options.Backfill, options.EmptyHours = "1200h", "zero"
			})
			c.recovers()
			c.restarts(9*ledgerDay, func(*simOptions) {})
			c.recovers()
		})
	}
}

func TestLedgerAnswersCutToTheLastDay(t *testing.T) {
	t.Parallel()
	for _, quiet := range []int{0, 30} {
		t.Run(strconv.Itoa(quiet), func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.CutHours, traits.Quiet = -24, quiet // of which some have not begun, so that less than a day is shown
				options.EmptyHours = "zero"
			})
			c.gathers(5 * ledgerDay)
			c.recovers()
		})
	}
}

func TestLedgerRunningHourIsNotCutOff(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.CutRows, options.Backfill = 174, "1000h"
	})
	c.gathers(ledgerDay)
	c.restarts(20*ledgerDay, func(*simOptions) {})
	for range 4 {
		begin := len(c.writes)
		c.gathers(15 * time.Minute)
		running := c.floor(c.now.Unix())
		require.True(t, slices.ContainsFunc(c.writes[begin:], func(w simWrite) bool { return w.hour == running }), "%s", c.lastLines())
	}
}

func TestLedgerErrorTextIsNoEmptyReport(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"200nul", "200[]"} {
		t.Run(form, func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.Width, traits.WidthForm = 7*24, form
				options.Backfill, options.EmptyHours = "1000h", "zero"
			})
			c.recovers()
		})
	}
}

func TestLedgerOnlyStrayRowsAreAFailure(t *testing.T) {
	c := newLedgerCase(t, func(_ *simTraits, options *simOptions) {
		options.Backfill, options.EmptyHours = "100h", "zero"
	})
	c.happens(simEvent{Kind: "outage", Form: "strays"})
	tally := c.gathers(3 * time.Hour)
	require.Equal(t, tally.gathers, tally.errors, "%s", c.lastLines())
	require.Zero(t, tally.writes, "%s", c.lastLines())
	c.recovers()
}

func TestLedgerTimezone(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Etc/GMT+2", "Etc/GMT+1", "Europe/Madrid", "Etc/GMT+4", "Etc/GMT+6", "Etc/GMT+8", "America/Los_Angeles"} {
		for _, zeros := range []string{"omit", "zero"} {
			t.Run(zone+" "+zeros, func(t *testing.T) {
				c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
					traits.Tail = 30 * time.Minute
					options.EmptyHours = zeros
				})
				c.gathers(6 * time.Hour)
				c.restarts(time.Minute, func(o *simOptions) { o.Timezone = zone })
				wrong := c.gathers(36 * time.Hour)
				require.Equal(t, 1, wrong.warned("time ?zone"), "%s", c.lastLines())
				const fits = `([-−]0?5\b|GMT\+5|Bogota)`
				require.Equal(t, 1, wrong.warned("time ?zone.*"+fits+"|"+fits+".*time ?zone"), "%s", strings.Join(wrong.logged, "\n"))
				c.recovers()
			})
		}
	}
}

func TestLedgerQuietDaysUnderAWrongTimezoneAreNotAskedForAgainAndAgain(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, _ *simOptions) { traits.Gap = [2]int{3, 9} })
	c.gathers(ledgerDay)
	c.restarts(time.Minute, func(o *simOptions) { o.Timezone = "Europe/Madrid" })
	wrong := c.gathers(60 * time.Hour)
	require.Equal(t, 1, wrong.warned("time ?zone"), "%s", c.lastLines())
	quiet := c.gathers(ledgerDay)
	require.LessOrEqual(t, quiet.past, quiet.gathers*3/4, "%s", c.lastLines())
	c.recovers()
}

func TestLedgerEmptyHoursTurnedOnLater(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, _ *simOptions) { traits.Quiet = 60 })
	c.gathers(5 * ledgerDay)
	begin := len(c.writes)
	c.restarts(time.Minute, func(o *simOptions) { o.EmptyHours, o.Reread = "zero", "2026-06-17/2026-06-18" })
	c.recovers()
	filled := make(map[int64]bool)
	from, until := c.options.rereads()
	for _, w := range c.writes[begin:] {
		if w.hour >= from && w.hour < until {
			filled[w.hour] = true
		}
	}
	require.Len(t, filled, 48)
}

func TestLedgerRightTimezoneIsNotSuspected(t *testing.T) {
	t.Parallel()
	for _, quiet := range []int{0, 60, 95} {
		t.Run(strconv.Itoa(quiet), func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.Quiet, traits.Tail = quiet, 170*time.Minute
				options.EmptyHours = "zero"
			})
			tally := c.gathers(5 * ledgerDay)
			require.Zero(t, tally.warned("time ?zone"), "%s", strings.Join(tally.logged, "\n"))
			require.Zero(t, tally.errors)
		})
	}
}

func TestLedgerOffFor400Days(t *testing.T) {
	t.Parallel()
	for _, backfill := range []string{"", "1000h"} {
		t.Run(backfill, func(t *testing.T) {
			c := newLedgerCase(t, func(*simTraits, *simOptions) {})
			c.gathers(time.Hour)
			c.restarts(400*ledgerDay, func(o *simOptions) { o.Backfill = backfill })
			tally := c.recovers()
			require.LessOrEqual(t, tally.past, 16, "%s", c.lastLines())
		})
	}
}

func TestLedgerClockAt1970(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"", "504", "400"} {
		t.Run(form, func(t *testing.T) {
			c := newLedgerCase(t, func(*simTraits, *simOptions) {})
			c.happens(simEvent{Kind: "clock", Form: simEpoch}, simEvent{Kind: "outage", Form: form})
			c.gathers(15 * time.Minute)
			c.happens(simEvent{Kind: "clock"}, simEvent{Kind: "outage"})
			tally := c.gathers(6 * time.Hour)
			require.Zero(t, tally.past, "%s", c.lastLines())
			c.restarts(time.Minute, func(o *simOptions) { o.Backfill = "720h" })
			c.recovers()
		})
	}
	t.Run("later", func(t *testing.T) {
		c := newLedgerCase(t, func(_ *simTraits, options *simOptions) { options.Backfill = "2400h" })
		c.gathers(6 * time.Hour)
		c.happens(simEvent{Kind: "clock", Form: simEpoch})
		c.gathers(time.Hour)
		c.happens(simEvent{Kind: "clock"})
		tally := c.gathers(6 * time.Hour)
		require.LessOrEqual(t, tally.past, 8, "%s", c.lastLines())
		c.recovers()
	})
}

func TestLedgerClockAhead(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{2 * time.Hour, ledgerDay, 3 * ledgerDay, ledgerYear, 10 * ledgerYear} {
		for _, off := range []time.Duration{-1, 0, time.Hour} {
			t.Run(fmt.Sprintf("%s %s", ahead, off), func(t *testing.T) {
				c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
					traits.Tail = 170 * time.Minute
					options.EmptyHours = "zero"
				})
				c.gathers(6 * time.Hour)
				c.happens(simEvent{Kind: "clock", D: ahead})
				c.gathers(30 * time.Hour)
				c.happens(simEvent{Kind: "clock"})
				if off >= 0 {
					c.happens(simEvent{Kind: "crash", D: off})
				}
				c.recovers()
			})
		}
	}
}

func TestLedgerClockBehind(t *testing.T) {
	c := newLedgerCase(t, func(_ *simTraits, options *simOptions) { options.Backfill = "2400h" })
	c.happens(simEvent{Kind: "clock", D: -20 * time.Hour})
	c.gathers(time.Hour)
	c.happens(simEvent{Kind: "clock"})
	c.gathers(15 * time.Minute)
	c.happens(simEvent{Kind: "crash", Loss: time.Hour, D: time.Minute}) // of rows written moments ago, by no clock a day ago
	c.recovers()
}

func TestLedgerPoisonedDay(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.Poison = []int{-5}
		options.Backfill, options.Interval = "480h", "5m"
	})
	c.recovers()
	begin := len(c.log)
	tally := c.gathers(ledgerDay)
	require.LessOrEqual(t, tally.requests, tally.gathers+8, "%s", c.lastLines())
	require.LessOrEqual(t, tally.errors, 1, "%s", c.lastLines())
	require.LessOrEqual(t, tally.warned(""), 1, "%s", strings.Join(tally.logged, "\n"))
	c.happens(simEvent{Kind: "outage", Form: "504"})
	outage := c.gathers(3 * time.Hour)
	require.Equal(t, outage.gathers, outage.errors)
	c.happens(simEvent{Kind: "outage"})
	c.gathers(ledgerDay)
	all := c.tally(begin)
	require.LessOrEqual(t, strings.Count(strings.Join(all.logged, "\n"), "orking again"), 1, "%s", strings.Join(all.logged, "\n"))
	c.happens(simEvent{Kind: "heal"})
	c.recovers()
}

func TestLedgerHistoryBeforeADateFails(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"400", "500", "200nul", "empty"} {
		t.Run(form, func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.Keep, traits.KeepForm = 10*ledgerDay, form
				options.Backfill, options.Interval, options.EmptyHours = "2880h", "5m", "zero"
			})
			first := c.gathers(20 * time.Hour)
			require.LessOrEqual(t, first.requests, first.gathers+60, "%s", c.lastLines())
			require.LessOrEqual(t, first.warned(""), 3, "%s", strings.Join(first.logged, "\n"))
			c.gathers(28 * time.Hour)
			third := c.gathers(ledgerDay)
			require.LessOrEqual(t, third.requests, third.gathers+2, "%s", c.lastLines())
			require.LessOrEqual(t, third.errors, 1, "%s", c.lastLines())
			c.recovers()
		})
	}
}

func TestLedgerZerosOutliveACrash(t *testing.T) {
	t.Parallel()
	zeros := func(from int) func(*simTraits, *simOptions) {
		return func(traits *simTraits, options *simOptions) {
			traits.Gap = [2]int{from, -5}
			options.Backfill, options.EmptyHours, options.Interval = "2400h", "zero", "5m"
		}
	}
	for gathers := 1; gathers <= 6; gathers++ {
		for _, older := range []int{0, 1} {
			t.Run(fmt.Sprintf("%d %d", gathers, older), func(t *testing.T) {
				c := newLedgerCase(t, zeros(-45))
				c.gathers(time.Duration(gathers) * 5 * time.Minute)
				c.happens(simEvent{Kind: "crash", N: older, Loss: time.Hour, D: time.Minute})
				c.recovers()
			})
		}
	}
	t.Run("long after they were read", func(t *testing.T) { // where the answer that shows the beginning of the history comes late
		c := newLedgerCase(t, zeros(-80))
		c.gathers(5 * time.Minute)
		c.happens(simEvent{Kind: "outage", Form: "504", Scope: "past"})
		c.gathers(5 * time.Hour)
		c.recovers()
		c.happens(simEvent{Kind: "crash", Loss: time.Hour, D: time.Minute})
		c.recovers()
	})
}

func TestLedgerBackfillRemoved(t *testing.T) {
	c := newLedgerCase(t, func(_ *simTraits, options *simOptions) { options.Backfill = "87600h" })
	c.gathers(time.Hour)
	c.restarts(time.Minute, func(o *simOptions) { o.Backfill = "" })
	tally := c.gathers(6 * time.Hour)
	require.Zero(t, tally.past, "%s", c.lastLines())
	require.Equal(t, tally.gathers, tally.requests)
	c.restarts(time.Minute, func(o *simOptions) { o.Backfill = "2400h" })
	c.recovers()
}

func TestLedgerFormsOfNoRecords(t *testing.T) {
	t.Parallel()
	for _, failure := range []string{`null`, `""`, `"null"`, `"NULL"`, `false`, `[]`, `0`} {
		for _, code := range []string{`200`, `"200"`, `""`, `true`, `200.0`} {
			for _, rest := range []string{`"msg":"0 records were found","data":null`, `"msg":" 0 records were found","data":[]`, `"msg":"","data":[]`} {
				body := fmt.Sprintf(`{"code":%s,"error":%s,%s}`, code, failure, rest)
				t.Run(body, func(t *testing.T) {
					c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
						traits.Gap, traits.Empty = [2]int{0, 2}, "200\n"+body
						options.Interval = "1h"
					})
					tally := c.gathers(8 * time.Hour)
					require.Zero(t, tally.errors, "%s", c.lastLines())
				})
			}
		}
	}
}

func TestLedgerMinutesWithThousandsSeparator(t *testing.T) {
	c := newLedgerCase(t, func(*simTraits, *simOptions) {})
	now := c.now.In(c.location)
	server := httptest.NewServer(say(http.StatusOK, fmt.Sprintf(`{"code":200,"error":null,"msg":"2 records were found","data":[
		{"date":%q,"calls":"557","ivr_minutes":"1,234"}, {"date":%q,"calls":"12","ivr_minutes":"21.5"}]}`,
		now.Add(-time.Hour).Format("2006010215"), now.Format("2006010215"))))
	t.Cleanup(server.Close)
	c.plugin.Stop()
	c.url = server.URL
	c.require(c.start())
	var acc testutil.Accumulator
	_ = c.plugin.Gather(&acc) //nolint:errcheck // whether unreadable rows are an error is another matter
	for _, m := range acc.GetTelegrafMetrics() {
		minutes, _ := m.GetField("minutes")
		require.NotEqual(t, 1.234, minutes)
		require.NotEqual(t, 1234.0, minutes)
	}
}

func TestLedgerYearInTwelveRequests(t *testing.T) {
	c := newLedgerCase(t, func(_ *simTraits, options *simOptions) { options.Backfill = "8760h" })
	tally := c.recovers()
	require.Equal(t, 12, tally.past, "%s", c.lastLines())
	tally = c.gathers(6 * time.Hour)
	require.Equal(t, tally.gathers, tally.requests, "%s", c.lastLines())
}

func TestLedgerQuietYearInTwentyFourRequests(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.Quiet, options.Backfill = 60, "8760h"
	})
	tally := c.recovers()
	require.LessOrEqual(t, tally.past, 24, "where answers begin or end without calls, they may have been cut short\n%s", c.lastLines())
}

func TestLedgerFinalHoursComeOnce(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.Tail, traits.Quiet = 170*time.Minute, 20
		options.Hours, options.EmptyHours, options.Backfill = "final", "zero", "72h"
	})
	c.repeating = false
	c.gathers(30 * time.Hour)
	c.happens(simEvent{Kind: "crash", Loss: 2 * time.Hour, D: 5 * time.Hour})
	c.gathers(10 * time.Hour)
	c.restarts(8*time.Hour, func(*simOptions) {})
	c.recovers()
}

func TestLedgerEndedHoursLeaveOutTheRunningOne(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.Tail, options.Hours = 170*time.Minute, "ended"
	})
	c.gathers(10 * time.Hour)
	c.recovers()
}

func TestLedgerReread(t *testing.T) {
	c := newLedgerCase(t, func(*simTraits, *simOptions) {})
	c.gathers(3 * ledgerDay)
	reread := func(o *simOptions) { o.Reread = "2026-05-20/2026-06-16" } // some before the first start, some after
	c.restarts(time.Minute, reread)
	tally := c.recovers()
	require.LessOrEqual(t, tally.past, 3, "%s", c.lastLines())
	c.restarts(time.Minute, reread)
	tally = c.gathers(3 * time.Hour)
	require.Zero(t, tally.past, "%s", c.lastLines())
	c.restarts(time.Minute, func(o *simOptions) { o.Reread = "2026-05-20/2026-06-17" })
	tally = c.gathers(3 * time.Hour)
	require.NotZero(t, tally.past, "%s", c.lastLines())
	c.happens(simEvent{Kind: "crash", Loss: time.Hour})
	c.recovers()
}

func TestLedgerErrorsOfEachGather(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"400", "403", "500", "504", "close", "html", "cut", "body", "quota"} {
		t.Run(form, func(t *testing.T) {
			c := newLedgerCase(t, func(_ *simTraits, options *simOptions) { options.Interval = "5m" })
			c.gathers(30 * time.Minute)
			c.happens(simEvent{Kind: "outage", Form: form})
			tally := c.gathers(6 * time.Hour)
			require.Equal(t, tally.gathers, tally.errors, "%s", c.lastLines())
			c.recovers()
		})
	}
}

func TestLedgerWidthIsRemembered(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.Width, traits.WidthForm, options.Backfill = 24, "504", "720h"
	})
	c.recovers()
	c.restarts(6*ledgerDay, func(*simOptions) {})
	tally := c.gathers(2 * time.Hour)
	require.LessOrEqual(t, tally.failed, 3, "%s", c.lastLines())
	c.recovers()
}

func TestLedgerWindowsThatEndInTheFuture(t *testing.T) {
	t.Parallel()
	for _, future := range []string{"hour", "no"} {
		t.Run(future, func(t *testing.T) {
			c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
				traits.Future, options.Backfill = future, "100h"
			})
			c.recovers()
		})
	}
}

func TestLedgerNarrowsWhereTheFutureIsRefused(t *testing.T) {
	c := newLedgerCase(t, func(traits *simTraits, options *simOptions) {
		traits.Future, traits.WidthForm, options.Backfill = "no", "500", "700h"
	})
	c.recovers()
	c.happens(simEvent{Kind: "width", N: 16, Form: "500"})
	c.restarts(130*time.Hour, func(*simOptions) {})
	c.recovers()
}

// earlierState is a state of the first layout, which kept progress as a few instants: a backfill of 48 hours is done.
const earlierState = `{"version":1,"covered":"2026-06-15T21:47:31Z","since":"2026-06-13T14:00:00-05:00","first":"2026-06-15T11:00:00-05:00",` +
	`"recent":[{"from":"2026-06-13T14:00:00-05:00","to":"2026-06-15T11:00:00-05:00","at":"2026-06-15T19:02:31Z"}],"clean":true}`

func TestLedgerCarriesOverAnEarlierState(t *testing.T) {
	c := newLedgerCase(t, func(_ *simTraits, options *simOptions) { options.Backfill = "48h" })
	c.gathers(3 * time.Hour) // the database gets what it got when the state was written
	c.plugin.Stop()
	c.states = []simState{{[]byte(earlierState), c.now, simPast{first: c.scenario.Traits.Begin.Unix()}}}
	c.now = c.now.Add(5 * time.Hour)
	c.next = c.now
	c.require(c.start())
	tally := c.gathers(3 * time.Hour)
	require.LessOrEqual(t, tally.past, 1, "%s", c.lastLines())
	c.recovers()
}
