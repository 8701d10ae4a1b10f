// Writes a checkpoint: state.h5 (docs/files.md), every rank its own elements, into a folder beside,
// which is then renamed and marked complete. Memory needed beside the state: one table row a MiB.
#pragma once

#include <exception>
#include <filesystem>
#include <vector>

#include "checkpoint/plan.hpp"
#include "checkpoint/state.hpp"
#include "comm/alarm.hpp"
#include "comm/communicator.hpp"

namespace isoflop::checkpoint {

/// Collective. `scalars` are those of the root. A checkpoint that is there is replaced once the new
/// one is whole. When any rank fails, all throw the same (InputError for a full disk), nothing is
/// left of the new checkpoint and the earlier ones are untouched.
void save(const std::filesystem::path& directory, comm::Communicator& communicator,
          const State& state, const hdf5::Attributes& scalars);

/// The same in three parts, of which the long one may go on beside other work:
///
///   Saving saving(directory, communicator, state, scalars);   // collective
///   std::thread writer([&] { saving.write(); });              // the state must not change
///   writer.join(); saving.publish();                          // collective
///
/// The collective parts throw as save() does. An object that is dropped before publish() leaves a
/// folder beside, which is no checkpoint and which prune() removes.
///
/// A disk that stalls ends the job: each block, each sync (of at most about 1 GiB) and each step of
/// the root's has the deadline of the ranks (comm::Options), so that one that is slow but goes on
/// is waited for.
class Saving {
 public:
  Saving(std::filesystem::path directory, comm::Communicator& communicator, State state,
         hdf5::Attributes scalars);

  /// This rank's elements. Neither communicates nor calls HDF5; a failure is publish()'s to tell.
  void write() noexcept;
  void publish();

 private:
  void write_blocks();
  comm::Alarm alarm_of(const std::filesystem::path& file) const;
  void gather_checksums();
  void discard() noexcept;

  std::filesystem::path directory_, partial_;
  comm::Communicator& communicator_;
  State state_;
  hdf5::Attributes scalars_;
  Plan plan_;
  std::vector<std::size_t> places_;  // bytes, by kind and tensor
  double deadline_seconds_;
  std::exception_ptr failure_;  // of write()
};

}  // namespace isoflop::checkpoint
