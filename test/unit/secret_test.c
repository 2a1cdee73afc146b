/*
 * secret_test.c
 *		Secrets in what a server answers: each way to write one is found, and little else.
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "source/http/secret.h"

#include "check.h"

/* The text with the secrets (up to two) masked. */
static const char *
masked_of(const char *text, const char *one, const char *other, bool cut)
{
	EtlSecrets *secrets = EtlSecretsCreate();
	char *copy = pstrdup(text);

	EtlSecretsAdd(secrets, one);
	EtlSecretsAdd(secrets, other);
	EtlSecretsMask(secrets, copy, cut);
	return copy;
}

static const char *
masked(const char *text, const char *secret)
{
	return masked_of(text, secret, NULL, false);
}

static void
test_forms(void)
{
	const char *token = "pa\"ss\\word&long";

	CHECK_STR(masked("Bearer pa\"ss\\word&long.", token), "Bearer ***.");
	CHECK_STR(masked("{\"got\": \"Bearer pa\\\"ss\\\\word&long\"}", token),
			  "{\"got\": \"Bearer ***\"}");
	CHECK_STR(masked("pa\\u0022ss\\u005cword\\u0026long", token), "***");
	CHECK_STR(masked("p\\u0061\\u0022ss\\u005Cw\\u006frd\\u0026long", token), "***");
	CHECK_STR(masked("<b>pa&quot;ss\\word&amp;long</b>", token), "<b>***</b>");
	CHECK_STR(masked("pa&#34;ss&#92;word&#x26;long", token), "***");
	CHECK_STR(masked("p&#97;&#34;ss&#92;w&#x6F;rd&#x26;long", token), "***");
	CHECK_STR(masked("k=pa%22ss%5Cword%26long&x=1", token), "k=***&x=1");
	CHECK_STR(masked("k=pa%22ss%5cword%26long&x=1", token), "k=***&x=1");
	CHECK_STR(masked("%70%61%22%73%73%5c%77%6f%72%64%26%6c%6f%6e%67", token), "***");
	CHECK_STR(masked("pa%2522ss%255cword%2526long", token), "***");
	CHECK_STR(masked("pa=22ss=5Cword=26lo=\nng", token), "***");
	CHECK_STR(masked("=70a=22ss=5Cw=6Frd&lo=  ng", token), "***");
	CHECK_STR(masked("'pa\"\"ss\\word&long'", token), "'***'");
	CHECK_STR(masked("p\\x61\\x22ss\\\\word&long", token), "***");
	CHECK_STR(masked("{\"m\":\"{\\\"t\\\":\\\"pa\\\\\\\"ss\\\\\\\\word&long\\\"}\"}", token),
			  "{\"m\":\"{\\\"t\\\":\\\"***\\\"}\"}");
	CHECK_STR(masked("&lt;p&gt;pa\\&quot;ss\\\\word&amp;amp;long", token), "&lt;p&gt;***");
}

/* In base64, whatever stands before it, and however lines are broken.  A digit that may have bits of it is masked, too. */
static void
test_base64(void)
{
	const char *token = "s3cret?>token~~";

	CHECK_STR(masked("czNjcmV0Pz50b2tlbn5+", token), "***");
	CHECK_STR(masked("got: czNjcmV0Pz50b2tlbn5-.", token), "got: ***.");
	CHECK_STR(masked("czNj\ncmV0\nPz50b2tlbn5%2B", token), "***B");
	CHECK_STR(masked("QmVhcmVyIHMzY3JldD8+dG9rZW5+fg==", token),
			  "QmVhcmVyI***==");												 /* "Bearer ..." */
	CHECK_STR(masked("a2V5OnMzY3JldD8-dG9rZW5-fjp4", token), "a2V5O***p4");		 /* "key:...:x" */
	CHECK_STR(masked("eyJrIjoiczNjcmV0Pz50b2tlbn5-In0", token), "eyJrIjo***n0"); /* {"k":"..."} */
	CHECK_STR(masked("eHpzM2NyZXQ/PnRva2Vufn5h", token), "eH***h");				 /* "xz...a" */
	CHECK_STR(masked("c2hvcnQ=", "short"), "c2hvcnQ=");
	CHECK_STR(masked("c2Vj", "secret"), "c2Vj");
	CHECK_STR(masked_of("got c2Vjc", "secret", NULL, true), "got ***");
	/* once more */
	CHECK_STR(masked("czNNelkzSmxkRDglK2RHOXJaVzUrZmc9PQ==", "s3MzY3JldD8%+dG9rZW5+fg=="), "***==");
}

static void
test_characters(void)
{
	/* what an escape looks like may be the secret itself */
	CHECK_STR(masked("token=ABcdef!", "ABcdef"), "token=***!");
	CHECK_STR(masked("is x%41y&nbsp;", "x%41y"), "is ***&nbsp;");
	CHECK_STR(masked("is x%2541y", "x%41y"), "is ***");
	CHECK_STR(masked("pass\\\\nord", "pass\\nord"), "***");
	CHECK_STR(masked("pass\\nord", "pass\\nord"), "***");
	/* without letters */
	CHECK_STR(masked("a !?*$#+ b", "!?*$#+"), "a *** b");
	CHECK_STR(masked("a %21?*%24#%2b b", "!?*$#+"), "a *** b");
	/* what stands around letters */
	CHECK_STR(masked("Basic bWU6c2VjcmV0OndvcmQ=, x", "bWU6c2VjcmV0OndvcmQ="), "Basic ***, x");
	CHECK_STR(masked("(--key!), key", "--key!"), "(***), key");
	CHECK_STR(masked("(--keys!)", "--keys!"), "(***)");
	/* beyond ASCII */
	CHECK_STR(masked("t: \xc3\xa9t\xc3\xa9!", "\xc3\xa9t\xc3\xa9"), "t: ***!");
	CHECK_STR(masked("t: \\u00e9t\\u00E9!", "\xc3\xa9t\xc3\xa9"), "t: ***!");
	CHECK_STR(masked("t: &#233;t%C3%A9!", "\xc3\xa9t\xc3\xa9"), "t: ***!");
	CHECK_STR(masked("\\ud83d\\ude00 \\u %zz &#; &#x; \\", "none"),
			  "\\ud83d\\ude00 \\u %zz &#; &#x; \\");
}

static void
test_several(void)
{
	CHECK_STR(
		masked_of("longsecret-and-more, longsecret", "longsecret", "longsecret-and-more", false),
		"***, ***");
	CHECK_STR(masked_of("abcdefgh", "abcdef", "cdefgh", false), "***");
	CHECK_STR(masked_of("aaaaaaaaaaaa", "aaaaa", "aaaaa", false), "***aa");
	CHECK_STR(masked("abc abc", "abc"), "abc abc");
	CHECK_STR(masked("", "abcd"), "");
	CHECK_STR(masked("abcd", ""), "abcd");
	CHECK_STR(masked("say abcd", "abcdefgh"), "say abcd");
	CHECK_STR(masked_of("say abcd", "abcdefgh", NULL, true), "say ***");
	CHECK_STR(masked_of("say a%62%63d", "abcdefgh", NULL, true), "say ***");
	CHECK_STR(masked_of("say abc", "abcdefgh", NULL, true), "say abc");
}

/* Tens of thousands of secrets, and a text that is full of them: no more than a moment. */
static void
test_many(void)
{
	EtlSecrets *secrets = EtlSecretsCreate();
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < 10000; i++)
	{
		EtlSecretsAdd(secrets, psprintf("b%05d", i));
		EtlSecretsAdd(secrets, "again");
	}
	for (int i = 0; i < 1000; i++)
		appendStringInfo(&text, "b%05d ", i * 7);
	EtlSecretsMask(secrets, text.data, false);
	CHECK(strspn(text.data, "* ") == strlen(text.data), "%.100s", text.data);
}

int
main(void)
{
	test_forms();
	test_base64();
	test_characters();
	test_several();
	test_many();
	return check_report("secret");
}
