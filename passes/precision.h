/* What the pass precision is asked for and leaves behind, as attributes of the module. */
#ifndef DS_PRECISION_H
#define DS_PRECISION_H

/* What was decided: a dictionary for each factor with key (as files of ranges have it), encoding, and reason; where it
 * stayed as it was without encoding. */
#define DS_DECIDED "ds.decided"

/* Words and rules that are tried, in a list of texts: the model gets an input more, DS_CHOICES, with an i32 for each
 * product, which says how its factors are stored in this run: 0 as they are, 1 as the first policy has it, … */
#define DS_TRY_POLICIES "ds.try"
#define DS_CHOICES "ds.choices"
/* What each of these numbers is of, in a list of dictionaries: `name` of the product (its keys without the number of the
 * factor), `products` that it sums in one run (symbols count as 64), and for each policy `times`: how many times as fast
 * as floats the machine multiplies such factors (0: the policy does not change them), and `stores`: a list of what both
 * factors become, as encodings; "": it stays. */
#define DS_TRIED "ds.tried"

#endif
