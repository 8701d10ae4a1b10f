// POINTS.csv: comma-separated, first row the names of the columns; quoted fields ("a, ""b"""), CRLF
// and a byte-order mark are understood. Columns: the variables
// of points.hpp, weight, group, name; others are ignored.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "laws/points.hpp"

namespace isoflop::laws {

/// Where the file's names differ: {"params", "Model Size"}.
using ColumnNames = std::map<std::string, std::string>;

inline constexpr Variable kUsualColumns[] = {Variable::params, Variable::tokens, Variable::loss};

/// `name` is the file in messages; the columns in `needed` must be there; params, tokens, flops,
/// steps, loss, the columns named in `columns`, weight, group and name are read when they are. Of
/// params, tokens and flops the third is computed from two (C = 6 N D); that is written to `notes`.
/// Throws InputError "NAME:LINE: COLUMN: saw ..., needed
/// ...".
Points parse_csv(std::string_view text, const std::string& name, const ColumnNames& columns = {},
                 std::span<const Variable> needed = kUsualColumns);

/// Reads the file, then parse_csv. Throws InputError when it cannot be read.
Points read_csv(const std::string& path, const ColumnNames& columns = {},
                std::span<const Variable> needed = kUsualColumns);

/// "params=Model Size" as it comes from the command line. Throws InputError.
ColumnNames parse_column_names(const std::vector<std::string>& arguments);

}  // namespace isoflop::laws
