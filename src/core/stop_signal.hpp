// SIGTERM, SIGINT, SIGUSR1 and SIGHUP (of a terminal that is closed; nohup keeps it away) ask a
// command to save what it has and stop.
// SIGPIPE, of a reader of standard output that went away, ends none while one is alive.
#pragma once

namespace isoflop {

/// While alive, the signals to stop set a flag instead of ending the process. One object at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that came last, 0 if none has.
  int received() const;
  /// How many have come: who sends a second one is impatient.
  int count() const;
};

}  // namespace isoflop
