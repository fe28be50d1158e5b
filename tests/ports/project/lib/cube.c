/* SPDX-License-Identifier: MIT */
#include "powers.h"

int cube(int n)
{
	return n * n * n;
}
