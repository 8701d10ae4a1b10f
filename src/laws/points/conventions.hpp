// What the numbers of a set of points mean. The same sweep counted in three ways gives three
// exponents (Porian et al. 2024; Pearce & Song 2024), and losses of two tokenizers, corpora,
// contexts or evaluation sets are not those of one law, hence a fit sees one way only, records it,
// and whatever is made from the fit shows it.
//
// An empty string is "not stated". Points with different statements, stated and not stated
// included, do not go into one fit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace isoflop::laws {

struct Points;

struct Conventions {
  std::string params = {};  // "total", "non-embedding" (Kaplan's N), or "active": those that one
                            // token passes through, of a mixture of experts
  std::string flops = {};  // "6nd", "exact" (every operation), "cmin" (critical_batch.hpp), "other"
  std::string loss = {};   // "nats" (a token), "bits_per_byte"
  std::string stage = {};  // "final", "cooled-down", "constant-lr", "mid-decay", or "along the run"
  std::string tokenizer = {};   // this and the following: any name
  std::string data = {};        // trained on: a corpus, its fingerprint
  std::string context = {};     // tokens that a prediction may see, at most
  std::string evaluation = {};  // the set that the loss was measured on
  std::string smoothing = {};   // of the loss: "none", "ema", any name

  friend bool operator==(const Conventions&, const Conventions&) = default;
};

/// "params total; flops 6nd; loss nats; stage not stated", then those of tokenizer, data, context,
/// evaluation and smoothing that are stated.
std::string describe(const Conventions& conventions);

/// Throws InputError when `asked` states another kind of params or flops, another unit of the loss,
/// or another tokenizer, data, context, evaluation or smoothing than `fitted` does.
void require_same_kind(const Conventions& asked, const Conventions& fitted,
                       std::string_view source);

/// The points' conventions with their stage. Losses at the end of a decayed learning rate ("final",
/// and "cooled-down" branches of a constant one) go together; any other mixture throws InputError
/// naming the first two points that differ, unless the fit reads whole curves (`along_runs`).
Conventions conventions_of(const Points& points, bool along_runs);

/// Every known stage of a loss.
const std::vector<std::string>& known_stages();

}  // namespace isoflop::laws
