// What this binary is; stamped into every file it writes.
#pragma once

namespace isoflop {

/// Release, e.g. "0.1.0".
const char* version();

/// Twelve digits of the commit, "+" behind it when the tree differed, "unknown" outside git.
const char* commit();

}  // namespace isoflop
