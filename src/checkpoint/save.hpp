// Writes a checkpoint: state.h5 (docs/files.md), every rank its own elements, into a folder beside,
// which is then renamed and marked complete. Memory needed beside the state: one table row a MiB.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <vector>

#include "checkpoint/plan.hpp"
#include "checkpoint/state.hpp"
#include "comm/alarm.hpp"
#include "comm/communicator.hpp"

namespace isoflop::checkpoint {

/// Collective. `directory` is a step's (directory.hpp) in a run's directory, which is there.
/// `scalars` are those of the root. A checkpoint that is there is replaced once the new
/// one is whole. When any rank fails, all throw the same (InputError for a full disk), nothing is
/// left of the new checkpoint and the earlier ones are untouched.
void save(const std::filesystem::path& directory, comm::Communicator& communicator,
          const State& state, const hdf5::Attributes& scalars);

/// The same in two parts, with other work between them:
///
///   Saving saving(directory, communicator, state, scalars);   // collective; a thread begins to
///   ...                                                       // write: the state must not change
///   saving.publish();                                         // collective; waits for all threads
///
/// Both throw as save() does; what the threads meet is publish()'s to tell. An object that is
/// dropped before publish() ends its thread after a block and leaves a folder beside, which is no
/// checkpoint and which prune() removes.
///
/// A disk that stalls ends the job: each block, each sync and each step of the root's has the
/// deadline of the ranks (comm::Options). One that is slow but goes on is waited for, by ranks that
/// have nothing to write too. What all ranks together have not synced is at most `bytes_of_sync`
/// and a block a rank: one machine's sync may wait for what its other ranks wrote.
class Saving {
 public:
  Saving(std::filesystem::path directory, comm::Communicator& communicator, State state,
         hdf5::Attributes scalars, std::size_t bytes_of_sync = std::size_t{1} << 32);
  ~Saving();
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  /// Whether this rank has written, or failed to. Not collective; before publish().
  bool written() const { return written_within(0); }
  void publish();

 private:
  bool written_within(double seconds) const;
  void wait_for_writers();
  void write_blocks();
  void on_root(const std::filesystem::path& file, const std::function<void()>& step);
  comm::Alarm alarm_of(const std::filesystem::path& file) const;
  void gather_checksums();
  void discard() noexcept;

  std::filesystem::path directory_, partial_;
  comm::Communicator& communicator_;
  State state_;
  hdf5::Attributes scalars_;
  Plan plan_;
  std::vector<std::size_t> places_;  // bytes, by kind and tensor
  std::size_t bytes_of_sync_;        // this rank's share
  double deadline_seconds_;
  std::atomic<bool> dropped_ = false;
  std::future<void> writing_;  // ends first: its thread uses the others
};

}  // namespace isoflop::checkpoint
