// SPDX-License-Identifier: GPL-2.0
/* The sample's own copy of the functions that abstractions/ calls. */

#include "../helpers/helpers.c"
