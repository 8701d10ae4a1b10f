// Every call into HDF5 goes through ISOFLOP_HDF5(call, where): it gives the call's result, or
// throws with `where` (a file, or a file and an object in it), HDF5's own reason and the failing
// expression. HDF5 itself prints nothing. A full disk throws InputError, a file whose bytes
// are no HDF5 file, or no whole one, Damaged, anything else Error.
#pragma once

#include <hdf5.h>

#include <string>

#include "core/error.hpp"

#define ISOFLOP_HDF5(call, where) \
  ::isoflop::hdf5::check((::isoflop::hdf5::silence(), (call)), #call, where)

namespace isoflop::hdf5 {

/// HDF5 does not understand what the file holds; no system call failed.
class Damaged : public Error {
 public:
  using Error::Error;
};

/// Keeps HDF5 from printing its error stack.
void silence();

/// Throws what the error stack of this thread says.
[[noreturn]] void throw_error(const char* call, const std::string& where);

template <class Result>
Result check(Result result, const char* call, const std::string& where) {
  if (result < 0) throw_error(call, where);
  return result;
}

}  // namespace isoflop::hdf5
