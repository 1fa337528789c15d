# SPDX-License-Identifier: GPL-2.0-only
# Draws a flame graph as SVG of folded stacks, those with the same callers one after the
# other: "PHASE;CALLER;FUNCTION COUNT", of `a`; or with two counts, of `a` and `b`, a
# differential one.  There, a function is as wide as the larger of both, red if `b` has
# more and blue if it has less.  What a browser shows at the pointer is in the titles.

BEGIN {
	width = 1200
	high = 17
	least = 0.2		# pixels of what is drawn
	letter = 6.6
}

function escaped(text)
{
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

# By whose code it is.
function plain_colour(name)
{
	if (name ~ /^faultmap|\[faultmap/)
		return "rgb(120,200,120)"
	return name == "user" ? "rgb(140,180,230)" : "rgb(250,190,100)"
}

function growth_colour(x, y,    pale)
{
	if (x == y)
		return "rgb(225,225,225)"
	pale = 225 - int(170 * (y > x ? y - x : x - y) / (x > y ? x : y))
	return y > x ? "rgb(255," pale "," pale ")" : "rgb(" pale "," pale ",255)"
}

# The innermost frame, which is over at `position`.
function close_frame(    at)
{
	at = ++frames
	name[at] = open[depth]
	level[at] = depth
	from[at] = start[depth]
	wide[at] = position - start[depth]
	xs[at] = x_of[depth]
	ys[at] = y_of[depth]
	depth--
}

function open_frame(text)
{
	open[++depth] = text
	start[depth] = position
	x_of[depth] = y_of[depth] = 0
	if (depth > deepest)
		deepest = depth
}

function draw(at,    x, w, text, room, colour)
{
	x = from[at] * width / position
	w = wide[at] * width / position
	if (w < least)
		return
	if (b == "") {
		text = sprintf("%s: %d instructions, %.2f %%", name[at], xs[at], xs[at] * 100 / x_of[0])
		colour = plain_colour(name[at])
	} else {
		text = sprintf("%s: %d in %s, %d in %s: %+d", name[at], xs[at], a, ys[at], b,
			       ys[at] - xs[at])
		colour = growth_colour(xs[at], ys[at])
	}
	printf "<g><title>%s</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"/>",
		escaped(text), x, top + (deepest - level[at]) * high, w, high - 1, colour
	room = int((w - 4) / letter)
	if (room > 2) {
		text = name[at]
		if (length(text) > room)
			text = substr(text, 1, room - 2) ".."
		printf "<text x=\"%.2f\" y=\"%d\">%s</text>", x + 2,
			top + (deepest - level[at]) * high + 12, escaped(text)
	}
	print "</g>"
}

{
	read_stack()
	for (same = 0; same < depth && same < n && open[same + 1] == frame[same + 1]; same++)
		;
	while (depth > same)
		close_frame()
	for (i = same + 1; i <= n; i++)
		open_frame(frame[i])
	for (i = 0; i <= n; i++) {
		x_of[i] += x
		y_of[i] += y
	}
	position += x > y ? x : y
}

END {
	while (depth > 0)
		close_frame()
	top = 44
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"monospace\" font-size=\"11\">\n",
		width, top + deepest * high + 8
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
	if (b == "")
		text = sprintf("%s: %d instructions", a, x_of[0])
	else
		text = sprintf("%s: %d instructions; %s: %d. As wide as the larger; blue: fewer in %s, red: more",
			       a, x_of[0], b, y_of[0], b)
	printf "<text x=\"4\" y=\"16\" font-size=\"14\">%s</text>\n", escaped(text)
	printf "<text x=\"4\" y=\"34\">%s</text>\n", escaped(what)
	for (i = 1; i <= frames; i++)
		draw(i)
	print "</svg>"
}
