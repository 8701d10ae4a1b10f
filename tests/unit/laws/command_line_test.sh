#!/bin/bash
# fit, predict and optimal as a user calls them: tables, JSON, exit code 2 with one line for bad input.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

awk 'BEGIN { print "params,tokens,loss"
  for (n = 1e6; n < 2e9; n *= 4) for (d = 1e8; d < 2e11; d *= 6)
    printf "%.17g,%.17g,%.17g\n", n, d, 1.8 + 480 / n^0.35 + 2100 / d^0.37 }' > points.csv

fail() { echo "FAILED: $*"; exit 1; }
expect_bad_input() {   # text command...
  local text=$1 code=0 lines; shift
  "$@" > out 2> err || code=$?
  lines=$(wc -l < err)
  [ "$code" = 2 ] && [ "$lines" = 1 ] && grep -qF -- "$text" err || fail "$* gave $code: $(cat err)"
}

"$ISOFLOP_BINARY" fit points.csv --law chinchilla --bootstrap 20 --json fit.json > table
grep -q '^  alpha *0.35 ' table || fail "alpha is not 0.35: $(cat table)"
grep -q '^  least squares  *1.8 ' table || fail "no losses beside each other: $(cat table)"
grep -q '^  correlation ' table && grep -q '^profile ' table || fail "fit prints no details: $(cat table)"
"$ISOFLOP_BINARY" fit points.csv --law power --bootstrap 0 --loss squares | grep -q 'half the sum of squares' \
  || fail "--loss squares"
expect_bad_input "huber-delta: belongs to --loss huber" "$ISOFLOP_BINARY" fit points.csv --law power \
  --loss absolute --huber-delta 1
"$ISOFLOP_BINARY" fit points.csv --law chinchilla --bootstrap 9 --fix E=1.7 --json held.json > table
grep -q '^  E  *1.7  *fixed ' table || fail "--fix: $(cat table)"
"$ISOFLOP_BINARY" predict held.json --params 1e10 --tokens 2e11 --json - | grep '"low"' > /dev/null || fail "predict --fix"
expect_bad_input "did you mean 'E'" "$ISOFLOP_BINARY" fit points.csv --law chinchilla --fix e=1
awk -F, 'NR == 5 { $3 *= 1.2 } { print }' OFS=, points.csv > bad.csv
"$ISOFLOP_BINARY" fit bad.csv --law chinchilla --bootstrap 0 --drop-outliers 1 > table
grep -q 'bad.csv:5: one of the 1 largest misses of a robust fit (+20%)' table || fail "--drop-outliers: $(cat table)"
grep -q '1 outliers put back' table || fail "--drop-outliers shows no fit with them: $(cat table)"
awk -F, 'NR == 1 { print $0 ",batch" } NR > 1 { print $0 ",5e5" }' points.csv > batch.csv
"$ISOFLOP_BINARY" fit batch.csv --law kaplan-c --bootstrap 0 --critical-batch 2.1e8,0.21 --json cmin.json > table
grep -q 'flops cmin' table || fail "--critical-batch: $(cat table)"
expect_bad_input "law kaplan-c reads flops: give it" "$ISOFLOP_BINARY" predict cmin.json --params 1e9 --tokens 2e10
awk -F, 'NR == 1 { print $0 ",trust" } NR > 1 { print $0 "," (NR < 9 ? 0 : 1) }' points.csv > trust.csv
"$ISOFLOP_BINARY" fit trust.csv --law power --bootstrap 9 --interval residuals --weight-by trust > table
grep -q '7 points: its weight is 0' table || fail "--weight-by COLUMN: $(cat table)"
"$ISOFLOP_BINARY" fit points.csv --law power --weight-by compute > weighed
grep -q '^note .*compute over its mean' weighed || fail "--weight-by compute"
"$ISOFLOP_BINARY" fit points.csv --law power | grep '^objective' > even
grep '^objective' weighed | diff - even > /dev/null && fail "--weight-by compute changes nothing"
expect_bad_input "weight-by: replicates" "$ISOFLOP_BINARY" fit points.csv --law power --weight-by replicates
awk -F, 'NR == 1 { print $0 ",learning_rate" }
  NR > 1 { for (r = 1; r < 4; ++r) printf "%s,%s,%.17g,%g\n", $1, $2, $3 * (r == 2 ? 1 : 1.1), r / 1e3 }' points.csv > swept.csv
"$ISOFLOP_BINARY" fit swept.csv --law chinchilla --bootstrap 0 > table
grep -q 'were run with several learning rates' table || fail "a sweep of rates is no matter: $(cat table)"
"$ISOFLOP_BINARY" fit swept.csv --law chinchilla --bootstrap 0 --best-runs > table
grep -q '^  alpha *0.35 ' table && grep -q 'is the largest tried at 0 of' table || fail "--best-runs: $(cat table)"
expect_bad_input "best-runs: multi-power reads whole curves" "$ISOFLOP_BINARY" fit \
  <(printf 'step,lr,loss\n1,1,3\n') --law multi-power --best-runs
"$ISOFLOP_BINARY" predict fit.json --flops 1e23 --json - | grep '"extrapolation"' > /dev/null || fail predict
[ "$("$ISOFLOP_BINARY" predict fit.json --points points.csv --json - | grep -c '"loss"')" = \
  "$(($(wc -l < points.csv) - 1))" ] || fail "predict --points does not give a prediction a row"
"$ISOFLOP_BINARY" optimal fit.json --flops 1e23 | grep '^  params' > /dev/null || fail optimal
"$ISOFLOP_BINARY" optimal fit.json --flops 1e23 | grep 'of a dense model' > /dev/null && fail "params of no kind are active ones"
awk -F, 'NR == 1 { print $0 ",params_kind" } NR > 1 { print $0 ",active" }' points.csv > active.csv
"$ISOFLOP_BINARY" fit active.csv --law chinchilla --bootstrap 0 --json active.json > table
"$ISOFLOP_BINARY" optimal active.json --flops 1e23 | grep 'shape and memory are those of a dense model' > /dev/null \
  || fail "a dense shape stands for a mixture of experts"
"$ISOFLOP_BINARY" optimal fit.json --flops 1e23 --inference-tokens 1e12 > table
grep -q 'compute-optimal for training alone' table || fail "optimal does not compare: $(cat table)"
grep -q 'not fitted to your runs' table || fail "optimal does not label the Step Law: $(cat table)"
"$ISOFLOP_BINARY" optimal fit.json --hours 24 --gpus 8 --peak-flops 989e12 --mfu 0.4 --json - \
  | grep '"flops": 2.73' > /dev/null || fail "optimal --hours"
awk -F, 'NR > 1 { $3 *= 1 + 0.01 * sin(NR * NR) } { print }' OFS=, points.csv > noisy.csv
"$ISOFLOP_BINARY" fit noisy.csv --law chinchilla --bootstrap 40 --json noisy.json > /dev/null
"$ISOFLOP_BINARY" optimal noisy.json --loss 1.83 --peak-flops 1e15 --mfu 0.4 > table
grep -q '^  hours .* to no limit$' table || fail "optimal --loss has hours for what no run reaches: $(cat table)"
"$ISOFLOP_BINARY" optimal fit.json --flops 1e15 --vocabulary 10000000 | grep '^no recipe: params' > /dev/null \
  || fail "optimal fails for a size without a shape"
"$ISOFLOP_BINARY" optimal fit.json --flops 1e22 --gpus 2 --memory 20GB --json - > bounded.json
grep -q '"bounds_params": true' bounded.json && grep -q '"devices": 2' bounded.json || fail "--memory: $(cat bounded.json)"
"$ISOFLOP_BINARY" optimal fit.json --loss 2.45 --memory 4GiB | grep '^memory, not compute, bounds params: without' \
  > /dev/null || fail "--memory does not say what it costs"
"$ISOFLOP_BINARY" optimal fit.json --flops 1e18 --memory 80GB | grep '^compute, not memory, bounds' > /dev/null \
  || fail "--memory that does not count"
awk -v most="$(awk -F'[:,]' '/"most_params"/ { print $2 }' bounded.json)" 'BEGIN {  # whose best N is 1.001 times that
  printf "%.17g", 6 * (1.001 * most / (0.35 * 480 / (0.37 * 2100)) ^ (1 / 0.72)) ^ (0.72 / 0.37) }' > little_more
"$ISOFLOP_BINARY" optimal fit.json --flops "$(cat little_more)" --gpus 2 --memory 20GB > table
grep -q '^memory, .* within it the loss is .*% higher' table || fail "a budget in a bound costs no loss: $(cat table)"
"$ISOFLOP_BINARY" optimal fit.json --loss 2.45 --memory 4GiB --inference-tokens 1e12 > table
grep -q 'within it training with inference takes .*% more FLOP' table || fail "inference costs nothing: $(cat table)"
awk 'BEGIN { print "params,tokens,loss"
  for (c = 1e17; c < 2e19; c *= 10) for (n = 0.01 * sqrt(c); n < 0.3 * sqrt(c); n *= 2)
    printf "%.17g,%.17g,%.17g\n", n, c / 6 / n, 1.8 + 480 / n^0.35 + 2100 / (c / 6 / n)^0.37 }' > budgets.csv
"$ISOFLOP_BINARY" fit budgets.csv --law chinchilla --method approach2 --bootstrap 0 --json frontier.json > table
expect_bad_input "--memory: approach2 knows the loss on the compute-optimal frontier only" \
  "$ISOFLOP_BINARY" optimal frontier.json --flops 1e21 --memory 80GB
"$ISOFLOP_BINARY" optimal frontier.json --flops 1e21 | grep ', compute-optimal for C = 1e+21 FLOP$' > /dev/null \
  || fail "the budget of a frontier is counted as its points count, 6 N D or not"
printf 'flops\n1e20\n1e21\n' > only_flops.csv
[ "$("$ISOFLOP_BINARY" predict frontier.json --points only_flops.csv --json - | grep -c '"loss"')" = 2 ] \
  || fail "predict --points of a frontier wants more than flops"
awk -F, 'NR == 1 { print "loss,error,loss_unit" } NR > 1 { print $3 "," 0.9 - 3 * exp(-0.9 * $3) ",nats" }' points.csv > error.csv
"$ISOFLOP_BINARY" fit error.csv --law error-exponential --bootstrap 0 --json error.json > table
expect_bad_input "loss_unit: saw 'bits_per_byte', the fit was made with 'nats'" "$ISOFLOP_BINARY" predict error.json \
  --points <(sed 's/nats/bits_per_byte/' error.csv)
for law in kaplan-nd ensemble; do
  "$ISOFLOP_BINARY" fit --list-laws | grep "^$law\$" > /dev/null || fail "list-laws lacks $law"
done

awk 'BEGIN { print "task_loss,accuracy"
  for (l = 0.2; l < 3; l += 0.1) printf "%.6g,%.6g\n", l, 0.2 + 0.75 / (1 + exp(4 * (l - 1.2))) }' > tasks.csv
"$ISOFLOP_BINARY" fit tasks.csv --law accuracy-sigmoid --bootstrap 0 | grep 'X = task_loss' > /dev/null \
  || fail "accuracy-sigmoid does not read task_loss by itself"
awk -F, 'NR == 1 { print $0 ",flops,flops_kind" } NR > 1 { print $0 "," 7 * $1 * $2 ",exact" }' points.csv > exact.csv
"$ISOFLOP_BINARY" fit exact.csv --law chinchilla --bootstrap 0 --json exact.json > /dev/null
"$ISOFLOP_BINARY" predict exact.json --points points.csv > table || fail "a law of N and D needs no FLOP"
grep -q ' ?$' table || fail "FLOP of another kind are filled in: $(head -5 table)"
expect_bad_input "counts flops as 'exact'" "$ISOFLOP_BINARY" predict exact.json --flops 1e20

expect_bad_input "points.csv is a CSV, which says so itself" "$ISOFLOP_BINARY" fit points.csv --law chinchilla --flops-kind exact
printf '\x89HDF\r\n\x1a\n' > empty.h5
expect_bad_input "--params-kind: the law reads no params" "$ISOFLOP_BINARY" fit empty.h5 --law multi-power --params-kind total
expect_bad_input "did you mean 'chinchilla'" "$ISOFLOP_BINARY" fit points.csv --law chinchila
for command in "fit points.csv" "suggest points.csv --target-params 1e9 --target-tokens 1e10 --budget 1e19"; do
  for text in "did you mean 'ensemble'?" ", ensemble of all that suit the points"; do
    expect_bad_input "$text" "$ISOFLOP_BINARY" $command --law ensembl
  done
done
cut -d, -f2,3 points.csv | sed '1s/tokens/flops/' > no_sizes.csv
expect_bad_input "suggest: the points have no params" "$ISOFLOP_BINARY" suggest no_sizes.csv --law power \
  --target-params 1e9 --target-tokens 2e10 --budget 1e19
expect_bad_input "absent.csv: cannot be read" "$ISOFLOP_BINARY" fit absent.csv --law power
expect_bad_input "needs at least 6 points" "$ISOFLOP_BINARY" fit <(head -4 points.csv) --law chinchilla
printf 'params,tokens,loss\n1e6,1e8,nan\n' > nan.csv
expect_bad_input "nan.csv:2: loss: saw 'nan'" "$ISOFLOP_BINARY" fit nan.csv --law power
expect_bad_input "table: not JSON" "$ISOFLOP_BINARY" predict table --flops 1e20
expect_bad_input "flops: saw -1" "$ISOFLOP_BINARY" optimal fit.json --flops -1
expect_bad_input "needs one of --flops, --loss and --hours" "$ISOFLOP_BINARY" optimal fit.json
expect_bad_input "loss: saw 1.5" "$ISOFLOP_BINARY" optimal fit.json --loss 1.5
expect_bad_input "needed a lower loss" "$ISOFLOP_BINARY" optimal fit.json --loss 1e9
expect_bad_input "flops: saw 1e+300, needed at most 1e+36" "$ISOFLOP_BINARY" optimal fit.json --flops 1e300
expect_bad_input "--unique-tokens: the fit of law chinchilla does not read it" "$ISOFLOP_BINARY" optimal fit.json \
  --flops 1e21 --unique-tokens 1e9
expect_bad_input "--gpus: says nothing without" "$ISOFLOP_BINARY" optimal fit.json --flops 1e21 --gpus 8
expect_bad_input "vocabulary" "$ISOFLOP_BINARY" optimal fit.json --flops 1e21 --vocabulary 0
expect_bad_input "memory: saw 0.001 GB" "$ISOFLOP_BINARY" optimal fit.json --flops 1e21 --memory 1MB
expect_bad_input "gpus: saw 1.5" "$ISOFLOP_BINARY" optimal fit.json --flops 1e21 --memory 1GB --gpus 1.5
expect_bad_input "saw '7', needed an even number" "$ISOFLOP_BINARY" optimal fit.json --flops 1e21 --head-width 7
expect_bad_input "needed one of the learning_rate" "$ISOFLOP_BINARY" optimal fit.json --flops 1e21 \
  --learning-rate-fit fit.json
expect_bad_input "but 6 params tokens are" "$ISOFLOP_BINARY" predict fit.json --params 1e8 --tokens 1e10 --flops 1e20
expect_bad_input "--steps: the fit of law chinchilla does not read it" "$ISOFLOP_BINARY" predict fit.json \
  --params 1e8 --tokens 1e10 --steps 9
expect_bad_input "excludes --params" "$ISOFLOP_BINARY" predict fit.json --points points.csv --params 1e8
expect_bad_input "--column: params is named twice" "$ISOFLOP_BINARY" fit points.csv --law power \
  --column params=params --column params=tokens
expect_bad_input "-1 not in range" "$ISOFLOP_BINARY" fit points.csv --law power --bootstrap -1
for seed in -1 1.5 1e3 0x10 18446744073709551616; do
  expect_bad_input "--seed: saw '$seed', needed a whole number" "$ISOFLOP_BINARY" fit points.csv --law power --seed "$seed"
done
"$ISOFLOP_BINARY" fit points.csv --law power --bootstrap 9 --seed 010 | grep ', seed 10$' > /dev/null \
  || fail "--seed 010 is not ten"
expect_bad_input "peak-flops: saw 0" "$ISOFLOP_BINARY" optimal fit.json --hours 3
expect_bad_input "--hours bounds training alone" "$ISOFLOP_BINARY" optimal fit.json --hours 3 \
  --peak-flops 1e15 --mfu 0.4 --inference-tokens 1e12

plan() { "$ISOFLOP_BINARY" suggest points.csv --law chinchilla --bootstrap 20 --budget 1e20 "$@"; }
plan --target-params 1e10 --target-tokens 2e11 > table
grep -q '^    1 ' table && grep -q '^  now ' table || fail "suggest names no run: $(cat table)"
plan --target-flops 1e22 --runs 2 --json - | grep '"bend"' > /dev/null || fail "suggest --target-flops"
expect_bad_input "--seed: saw '-1'" plan --target-flops 1e22 --seed -1
expect_bad_input "suggest: needs a target" plan
awk -F, 'NR == 1 { print $0 ",unique_tokens" } NR > 1 { print $0 "," $2 / (1 + NR % 3) }' points.csv > unique.csv
expect_bad_input "suggest: law repeated-data reads unique_tokens" "$ISOFLOP_BINARY" suggest unique.csv \
  --law repeated-data --budget 1e20 --target-flops 1e22
expect_bad_input "target-tokens: saw 0" plan --target-params 1e10 --target-tokens 0
expect_bad_input "sizes: saw -5" plan --target-flops 1e22 --sizes -5
expect_bad_input "budget: 1 FLOP pay for no run" "$ISOFLOP_BINARY" suggest points.csv --law chinchilla \
  --bootstrap 20 --budget 1 --target-flops 1e22

awk 'BEGIN { print "task,flops,score,accuracy"
  for (i = 0; i < 8; ++i) { s = 1.2 * exp(-0.4 * i); c = 10 ^ (19 + i / 2)
    printf "smooth,%.6g,%.6g,%.6g\n", c, s, exp(-6 * s)
    printf "inverse,%.6g,%.6g,%.6g\n", c, 1 + i / 10, 0.3 - i / 50 } }' > scores.csv
"$ISOFLOP_BINARY" emergence scores.csv --items 1000 --at 1e24 > table
grep -q 'score: improves' table && grep -q 'score: inverse' table || fail "emergence: $(cat table)"
grep -q 'at flops 1e+24.*accuracy' table || fail "emergence does not extrapolate: $(cat table)"
grep -q 'not extrapolated to 1e+24: inverse' table || fail "emergence extrapolates: $(cat table)"
"$ISOFLOP_BINARY" emergence scores.csv --json - | grep '"rms_miss"' > /dev/null || fail "emergence --json"
expect_bad_input "--seed: saw '-1'" "$ISOFLOP_BINARY" emergence scores.csv --seed -1
expect_bad_input "accuracy: the column is missing" "$ISOFLOP_BINARY" emergence points.csv \
  --column score=loss

"$ISOFLOP_BINARY" compare points.csv --laws kaplan-nd,chinchilla --bootstrap 100 > table
grep -q '^  chinchilla .*best$' table || fail "compare: $(cat table)"
"$ISOFLOP_BINARY" compare points.csv --laws power --json - | grep '"within_noise":true' > /dev/null || fail "compare --json"
expect_bad_input "did you mean 'chinchilla'" "$ISOFLOP_BINARY" compare points.csv --laws chinchila
expect_bad_input "--seed: saw '-1'" "$ISOFLOP_BINARY" compare points.csv --seed -1
expect_bad_input "compare: no law can be fitted" "$ISOFLOP_BINARY" compare <(head -4 points.csv)
