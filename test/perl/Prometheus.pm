# The text that Prometheus reads, taken literally: what the format (0.0.4) does not allow is an error.
package Prometheus;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);

our @EXPORT = qw(parse_metrics promtool_path);

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label = qr/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/;
my $number = qr/[+-]?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|Inf|NaN)/;
my %plain = (n => "\n", '"' => '"', '\\' => '\\');

# Returns the samples, by their names with sorted labels as they are written in it: { 'x{a="b"}' => 1 }, and the
# types of the families.  Dies of the first fault.
sub parse_metrics
{
	my ($text) = @_;
	my (%samples, %types, %helped, $family);

	die "the last line has no end\n" if $text ne '' && $text !~ /\n\z/;
	for my $line (split /\n/, $text)
	{
		if ($line =~ /^# HELP ($name) ((?:[^\\\n]|\\[\\n])+)$/)
		{
			die "second HELP: $line\n" if $helped{$1}++;
			$family = $1;
		}
		elsif ($line =~ /^# TYPE ($name) (counter|gauge|summary|histogram|untyped)$/)
		{
			die "TYPE without its HELP, or a second one: $line\n" if $1 ne ($family // '') || $types{$1};
			$types{$1} = $2;
			die "a counter that is not called so: $line\n" if ($2 eq 'counter') != ($1 =~ /_total$/);
		}
		elsif ($line =~ /^($name)(?:\{(.*)\})? ($number)$/)
		{
			my ($metric, $labels, $value) = ($1, $2 // '', $3);
			my %labels;

			die "not of family " . ($family // 'none') . ": $line\n"
			  if !$family || !$types{$family}
			  || $metric !~ ($types{$family} eq 'summary' ? qr/^${family}_(sum|count)$/ : qr/^$family$/);
			while ($labels =~ s/^$label(?:,(?=.)|\z)//)
			{
				my ($key, $content) = ($1, $2);
				die "label $key twice: $line\n" if exists $labels{$key};
				$labels{$key} = $content;
			}
			die "broken labels: $line\n" if $labels ne '';
			die "a counter below 0: $line\n" if $types{$family} ne 'gauge' && $value < 0;
			my $key = join ',', map { qq{$_="$labels{$_}"} } sort keys %labels;
			$key = $key eq '' ? $metric : "$metric\{$key}";
			die "a second sample: $line\n" if exists $samples{$key};
			$samples{$key} = $value;
		}
		else { die "neither comment nor sample: $line\n"; }
	}
	return (\%samples, \%types);
}

# Where promtool is; undef if it is nowhere.
sub promtool_path
{
	my ($path) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
	return $path;
}

1;
