#!/usr/bin/env bash
# compare_kernel_bits.sh PROGRAM   Every primitive must give the same bits at each instruction set level that this
# machine can run and with 1, 2 and 3 threads. PROGRAM is kernel_bits.
set -euo pipefail
program=$1
export OMP_PROC_BIND=false OMP_WAIT_POLICY=passive

expected=$(OMP_NUM_THREADS=1 "$program")
[[ $(wc -l <<<"$expected") -ge 20 ]] || { echo "only these primitives were printed:"; echo "$expected"; exit 1; }

failed=0
for hwcaps in "" -AVX512F -AVX2; do   # the best level, x86-64-v3, plain x86-64
  if [[ -n $hwcaps ]]; then export GLIBC_TUNABLES=glibc.cpu.hwcaps=$hwcaps; fi
  level=$("$program" --level)
  for threads in 1 2 3; do
    echo "$threads threads, $level"
    actual=$(OMP_NUM_THREADS=$threads "$program")
    diff <(echo "$expected") <(echo "$actual") || failed=1
  done
done
if [[ $level == *glibc-hwcaps* ]]; then   # the comparison would be of a level with itself
  echo "the plain build was not reached: $level"
  failed=1
fi
exit $failed
