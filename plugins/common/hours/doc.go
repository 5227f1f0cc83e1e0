// Package hours decides which hours of a report to request, and when an hour is final. It is pure: it knows no network, no clock and no
// file, and every method that depends on the time is given it.
//
// A Planner is used in a loop: Start at the beginning of a gather, Next for the request to make, then Record with what the response shows,
// or Fail. Record returns the rows to send. Save and Restore carry the state over a restart.
//
// What happens next follows from five rules.
//
//  1. One request per gather, in turns for the live window and for history, which may also be requested between gathers. A failed request is
//     repeated once before it counts.
//  2. The watermark is the newest hour in which the report has shown calls, minus lookback. Only hours below it can become final. The live
//     window runs from the day of the watermark to the end of today; if it spans more than a day, every second live request is for one
//     of its days, as the API may not show all of it: today, then one day further back each time until newer calls appear.
//  3. An hour below the watermark is final when two readings in a row agree.
//  4. Silence, which is no row or one of zeros, is a reading only if it is credible: the hour has never shown calls, the response hides no
//     known calls, the hour lies between two of its rows or in a window no wider than the widest run of rows so far, and it comes after
//     the earliest known calls. After a response that hides all known calls, a narrow window proves nothing until requests of its kind,
//     live or history, bring calls again.
//  5. A history window that fails or brings nothing new is halved. A single hour that fails, and silence that is not credible, is postponed
//     for 1 hour, then 2, 4, up to 24. Nothing else waits for it. Where windows of several days fail, live ones too, while narrower ones
//     work, they are tried again at the same intervals, and live requests are for one day each.
//
// The files, from the ground up: hour, calendar and windows are the local clock and sets of hours; options, response, request and postponed
// describe what goes in and out; state is what is known, and saved; ledger records a response, wide how wide a window can be; history and
// planner choose the next request; restore goes on from a saved state, and status tells how complete the hours are.
package hours
