// Native implementation of kernels/api/matmul.hpp on the host's threads: block products of the best
// instruction set. Arguments have been checked.
#pragma once

#include "kernels/api/matmul.hpp"
#include "kernels/cpu/instruction_set.hpp"

namespace isoflop::kernels::cpu {

template <class T, class Y>
void matmul_forward(InstructionSet set, device::Stream& stream, MatmulShape shape, const T* x,
                    const T* w, Y* y);

template <class T>
void matmul_data_gradient(InstructionSet set, device::Stream& stream, MatmulShape shape,
                          const T* dy, const T* w, T* dx);

template <class T>
void matmul_weight_gradient(InstructionSet set, device::Stream& stream, MatmulShape shape,
                            const T* dy, const T* x, float* dw);

/// Bytes of stream workspace that the largest of the three products needs.
template <class T>
std::size_t matmul_workspace_bytes(InstructionSet set, MatmulShape shape);

}  // namespace isoflop::kernels::cpu
