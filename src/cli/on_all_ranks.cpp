#include "cli/on_all_ranks.hpp"

#include <chrono>
#include <thread>

#include "cli/report.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"

namespace isoflop::cli {

void on_all_ranks(comm::Communicator& communicator, const std::function<void()>& action) {
  if (communicator.size() == 1) {
    action();
    return;
  }
  const auto end_all = [&](const char* message, int code, bool told_by_root) {
    if (told_by_root && !communicator.is_root())
      std::this_thread::sleep_for(std::chrono::seconds(2));
    report_error(message);
    communicator.abort(code);
  };
  try {
    action();
  } catch (const Locked& error) {
    end_all(error.what(), kLockedExitCode, true);
  } catch (const InputError& error) {
    end_all(error.what(), 2, true);
  } catch (const CheckFailed& error) {
    end_all(error.what(), 3, true);
  } catch (const std::exception& error) {
    end_all(error.what(), 1, false);
  }
}

}  // namespace isoflop::cli
