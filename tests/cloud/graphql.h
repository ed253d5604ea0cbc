/* graphql - just enough of the language: one operation with variables, aliases, arguments and nested fields, no
 * fragments. What is asked for is cut out of an object that holds every field there is. */
// SPDX-License-Identifier: MIT
#pragma once
#include "proto/text/json.h"

/* The operation as {mutation: bool, fields: [{alias, name, args: {}, fields: []}]} with the variables put in; NULL with
 * a problem when it cannot be read, or a variable has no value and none is declared. Owned by the caller. */
json_t *graphql_parse(struct slice query, const json_t *variables, char problem[200]);
/* The fields of `asked` out of an object or a list of objects; a field that is not there sets the problem. Owned. */
json_t *graphql_cut(const json_t *value, const json_t *asked, char problem[200]);
/* Points by Shopify's rule: an object 1, a connection as often as `first` says, a mutation 10. */
double graphql_cost(const json_t *operation);
