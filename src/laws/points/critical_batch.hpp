// What a run would have needed far from its batch size (Kaplan et al. 2020, sections 5.1 and 5.2,
// after McCandlish et al. 2018): with the loss L that the run reached and its batch B,
//
//   Bcrit(L) = B* / L^(1/aB)       equation 1.4, tokens
//   Smin = S / (1 + Bcrit/B)       equation 5.4, steps at B >> Bcrit
//   Cmin = C / (1 + B/Bcrit)       equation 5.5, FLOP at B << Bcrit
#pragma once

#include <string_view>

#include "laws/points/points.hpp"

namespace isoflop::laws {

struct CriticalBatch {
  double scale;     // B*, tokens; Kaplan: 2.1e8
  double exponent;  // aB; Kaplan: 0.21

  double at(double loss) const;
};

/// "2.1e8,0.21" as it comes from the command line. Throws InputError.
CriticalBatch parse_critical_batch(std::string_view text);

/// `points` with steps replaced by Smin and flops by Cmin, whichever of them there is (flops: 6 N D
/// where absent); their kind of flops becomes "cmin", what was done is written to `notes`. Throws
/// InputError without a batch or a loss, for a loss that is not in nats a token (B* and aB belong
/// to that unit), and for flops that already are Cmin.
Points at_limiting_batch(Points points, const CriticalBatch& critical);

}  // namespace isoflop::laws
