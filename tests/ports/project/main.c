/* SPDX-License-Identifier: MIT */
#include <lib/powers.h>
#include <stdio.h>
#include <version.h>

int main(void)
{
	printf("version %s\n", VERSION);
	for (int n = 1; n <= 3; n++)
		printf("%d %d %d\n", n, square(n), cube(n));
	return 0;
}
