package host

import (
	"os"
	"time"
)

const (
	drainTime = 200 * time.Millisecond // for Telegraf to take what has been written
	leaveTime = 100 * time.Millisecond // for Telegraf to see the ends of stdout and stderr
)

// Leave is for when nothing is left to be written and the process is about to end. Were Telegraf still reading then,
// the last lines might be lost, and execd would log errors about its own ends of the pipes.
func Leave() {
	drain()
	os.Stdout.Close()
	os.Stderr.Close()
	time.Sleep(leaveTime)
}

// drain lets Telegraf take what is in the pipes: execd stops reading as soon as the process is gone. It returns whether
// all rows are known to have been taken.
func drain() bool {
	for end := time.Now().Add(drainTime); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if pipesTell && unread(os.Stdout)+unread(os.Stderr) == 0 {
			return true
		}
	}
	return pipesTell && unread(os.Stdout) == 0
}
