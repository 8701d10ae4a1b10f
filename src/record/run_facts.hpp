// RunFacts and RunOutcome as attributes of the root, both ways.
#pragma once

#include "hdf5/attributes.hpp"
#include "record/run_data.hpp"

namespace isoflop::record {

hdf5::Attributes to_attributes(const RunFacts& facts, const RunOutcome& outcome);

/// InputError naming `where` for another schema, a missing attribute or one of another type.
/// Attributes that schema 1 does not know are left alone.
void from_attributes(const hdf5::Attributes& attributes, const std::string& where, RunFacts& facts,
                     RunOutcome& outcome);

}  // namespace isoflop::record
