/* SPDX-License-Identifier: MIT */
int square(int n);
int cube(int n);
