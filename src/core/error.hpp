// The kinds of failure that a caller can tell apart, and how each is spelt.
//
//   require(ok, "…")        user input: always on, throws InputError (exit code 2, one line)
//   ISOFLOP_EXPECT(ok)      programmer contract: on in debug builds, aborts with the place
//   Error                   the world failed (exit code 1)
//   CheckFailed             a run diverged or a check did not hold (exit code 3)
//   Stopped                 asked to stop by a signal; the same command goes on (exit code 75)
//
// A message says what was seen, what is needed and what to do.
#pragma once

#include <fmt/format.h>

#include <cassert>
#include <stdexcept>
#include <string>
#include <utility>

#define ISOFLOP_EXPECT(condition) assert(condition)

namespace isoflop {

/// Anything that went wrong outside the user's input: a file system, a foreign library. Exit
/// code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Bad usage or bad input. Exit code 2.
class InputError : public Error {
 public:
  using Error::Error;
};

/// A run diverged or a check failed. Exit code 3.
class CheckFailed : public Error {
 public:
  using Error::Error;
};

/// EX_TEMPFAIL of sysexits.h: what a batch script or a scheduler may requeue on.
inline constexpr int kStoppedExitCode = 75;

/// Everything is saved and the same command goes on later. Exit code kStoppedExitCode.
class Stopped : public Error {
 public:
  using Error::Error;
};

/// Validation of user input: throws InputError with the formatted message unless `ok`.
template <class... Args>
void require(bool ok, fmt::format_string<Args...> message, Args&&... args) {
  if (!ok) throw InputError(fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace isoflop
