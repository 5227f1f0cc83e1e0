// Package hours decides which hours of a report to request, and when an hour is final. The package is pure: it uses no network, clock or
// file, and callers pass in the time.
//
// Call a Planner in a loop: Start when a gather begins, Next for the request to make, then Record with the response, or Fail. Record
// returns the rows to send. Save and Restore carry the state across restarts.
//
// Five rules decide what happens next.
//
//  1. Each gather makes one request, alternating between the live window and history. History may also be requested between gathers. A
//     failed request is repeated once; only the second failure counts.
//  2. The watermark is the newest hour in which the report has shown calls, minus lookback. Only hours below it can become final. The live
//     window runs from the day of the watermark to the end of today. If it spans more than one day, every second live request covers just
//     one of its days, because the API may not show all of them: today, then one day further back each time until newer calls appear.
//  3. An hour below the watermark is final when two consecutive readings agree, or when the report has hidden it alone for 24 hours.
//  4. Silence (no row, or a row of zeros) counts as a reading only if it is credible: the hour has never shown calls, the response hides no
//     known calls, the hour is between two hours with calls or in a window no wider than the widest run so far (from the first to the last
//     hour with calls of one response), and the hour comes after the earliest known calls. After a response that hides all known calls, a
//     narrow window proves nothing until requests of the same kind, live or history, show calls again.
//  5. A history window that fails or yields nothing new is halved. A single hour that fails, or whose silence is inconclusive, is postponed
//     for 1 hour, then 2, 4, up to 24. Nothing else waits for it. If windows of several days fail while narrower ones succeed, live windows
//     included, they are retried at the same intervals, and live requests cover one day each in the meantime.
//
// The files, bottom up: hour, calendar and windows model the local clock and sets of hours; options, response, request and postponed define
// the inputs and outputs; state is what is known and saved; ledger records a response; width tracks how wide a window may be; history and
// planner choose the next request; restore loads a saved state; status reports how complete the hours are.
package hours
