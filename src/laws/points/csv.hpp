// POINTS.csv: comma-separated, first row the names of the columns (csv_rows.hpp has the grammar).
//
// Columns: the variables of points.hpp, weight, group, name, and
//   params_kind      total, non-embedding, active (of a mixture of experts)
//   flops_kind       6nd, exact, cmin (Kaplan's, at a batch far below critical), other
//   loss_unit        nats (a token), bits_per_byte, perplexity (of a token; becomes nats)
//   bytes_per_token  with it, bits per byte become nats
//   stage            final, cooled-down, constant-lr, mid-decay
//   tokenizer, data, context, evaluation, smoothing
//                    any name: what the losses are losses of (conventions.hpp)
//   status           finished; a row with another status is left out, whatever its loss
//   warmup_tokens    a run whose warmup is as long as itself is left out; of training curves what
//                    they recorded in their warmup, unless their schedules are read
// Kinds, units and the names of what the losses are must be the same in all rows that are used.
// Without a column weight, rows that repeat an earlier one in every column are left out. Other
// columns are ignored.
#pragma once

#include <string>
#include <string_view>

#include "laws/points/csv_rows.hpp"
#include "laws/points/points.hpp"

namespace isoflop::laws {

inline constexpr Variable kUsualColumns[] = {Variable::params, Variable::tokens, Variable::loss};

enum class Rows {
  measured,   // points to fit: rows that did not finish, repeat another or only warmed up are left
              // out
  curves,     // the same along runs, of which a row has the tokens up to it
  schedules,  // the same, with the rates of every step: warmup stays, since its rates count
  asked       // sizes to predict for: every row counts
};

/// `name` is the file in messages; the columns in `needed` must be there; params, tokens, flops,
/// steps, loss, those in `wanted`, the columns named in `columns`, weight, group and name are read
/// when they are; one that is only wanted is not when a row has no number in its range there, or
/// more unique_tokens than tokens, and `notes` names the first such line. Of params, tokens and
/// flops the third is computed from two (C = 6 N D); that is written to `notes`. Throws InputError
/// "NAME:LINE: COLUMN: saw ..., needed ...".
Points parse_csv(std::string_view text, const std::string& name, const ColumnNames& columns = {},
                 std::span<const Variable> needed = kUsualColumns, Rows kind = Rows::measured,
                 std::span<const Variable> wanted = {});

/// Reads the file, then parse_csv. Throws InputError when it cannot be read.
Points read_csv(const std::string& path, const ColumnNames& columns = {},
                std::span<const Variable> needed = kUsualColumns, Rows kind = Rows::measured);

/// "params=Model Size" as it comes from the command line, for the columns of points (csv_rows.hpp).
ColumnNames parse_column_names(const std::vector<std::string>& arguments);

}  // namespace isoflop::laws
