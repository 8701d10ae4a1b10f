// POINTS.csv: comma-separated, first row the names of the columns; quoted fields ("a, ""b"""), CRLF
// and a byte-order mark are understood. Columns params, tokens, loss; optional flops, steps,
// weight, group, name; others are ignored.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "laws/points.hpp"

namespace isoflop::laws {

/// Where the file's names differ: {"params", "Model Size"}.
using ColumnNames = std::map<std::string, std::string>;

enum class Need {
  loss,     // points to fit
  no_loss,  // sizes to predict for: the loss column may be absent, `loss` is then 1 everywhere
};

/// `name` is the file in messages. params and tokens may each be computed from the other and flops
/// (C = 6 N D); that is written to `notes`. Throws InputError "NAME:LINE: COLUMN: saw ..., needed
/// ...".
Points parse_csv(std::string_view text, const std::string& name, const ColumnNames& columns = {},
                 Need need = Need::loss);

/// Reads the file, then parse_csv. Throws InputError when it cannot be read.
Points read_csv(const std::string& path, const ColumnNames& columns = {}, Need need = Need::loss);

/// "params=Model Size" as it comes from the command line. Throws InputError.
ColumnNames parse_column_names(const std::vector<std::string>& arguments);

}  // namespace isoflop::laws
