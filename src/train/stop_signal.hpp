// SIGTERM, SIGINT, SIGUSR1 and SIGHUP (of a terminal that is closed; nohup keeps it away) ask a run
// to stop after the step, or in the evaluation, that it is in.
#pragma once

namespace isoflop::train {

/// While alive, the signals set a flag instead of ending the process. One object at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that came, 0 if none has.
  int received() const;
};

}  // namespace isoflop::train
