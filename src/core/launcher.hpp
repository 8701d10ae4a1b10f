// Whether this process is a rank of a job.
#pragma once

namespace isoflop {

/// True when environment variables show that a launcher (mpirun, srun) started this process as a
/// rank, perhaps the only one (Open MPI, MPICH and Slurm's PMI are known).
bool started_by_launcher();

}  // namespace isoflop
