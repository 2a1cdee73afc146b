/*
 * check.h
 *		What a test program of pure functions needs: say what was wrong, go on, and count.
 */
#ifndef ETL_TEST_CHECK_H
#define ETL_TEST_CHECK_H

#include <stdio.h>
#include <string.h>

static int check_count;
static int check_failures;

#define CHECK(condition, ...)                                                       \
	do                                                                              \
	{                                                                               \
		check_count++;                                                              \
		if (!(condition))                                                           \
		{                                                                           \
			check_failures++;                                                       \
			fprintf(stderr, "%s:%d: failed: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                           \
			fputc('\n', stderr);                                                    \
		}                                                                           \
	} while (0)

#define CHECK_STR(got, expected)                                                           \
	do                                                                                     \
	{                                                                                      \
		const char *got_ = (got);                                                          \
		const char *expected_ = (expected);                                                \
                                                                                           \
		CHECK(got_ != NULL && strcmp(got_, expected_) == 0, "got \"%s\", expected \"%s\"", \
			  got_ ? got_ : "(null)", expected_);                                          \
	} while (0)

/* The exit status of the program. */
static inline int
check_report(const char *name)
{
	printf("%s\n%d passed, %d failed\n", name, check_count - check_failures, check_failures);
	return check_failures == 0 ? 0 : 1;
}

#endif /* ETL_TEST_CHECK_H */
