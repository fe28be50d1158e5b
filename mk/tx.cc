/* SPDX-License-Identifier: MIT */
/*
 * A plugin of gcc: in services, each store to memory that could be preserved first asks whether the undo log has its
 * line (lib/sys/tx.h). What is asked is an asm statement that reads the memory which is stored to, so no later pass
 * moves the store before it:
 *
 *	leal address, %r32; shr $6, %r32; cmpb $0, TX_SHADOW(%r64); jne
 *
 * Where the line is to be saved, the words that are stored to are (lib/sys/tx.c has the layout of the log), unless they
 * are many: then the line is, which is not asked for again (tx_line.S).
 *
 * Not asked for: the function's own variables, what is reached by a pointer to a type that is TX_LOCAL, fields that are
 * TX_DERIVED_FIELD, and static variables that are not in section .preserved (with -fplugin-arg-tx-statics: no static
 * variable is left out). What is copied or filled by a function, and objects of more
 * than a line, are announced by a call of tx_touch.
 */
#include "gcc-plugin.h"
#include "plugin-version.h"

#include "backend.h"
#include "tree.h"
#include "gimple.h"
#include "tree-pass.h"
#include "ssa.h"
#include "attribs.h"
#include "builtins.h"
#include "context.h"
#include "fold-const.h"
#include "gimple-iterator.h"
#include "gimplify.h"
#include "gimplify-me.h"
#include "stringpool.h"
#include "tree-dfa.h"

int plugin_is_GPL_compatible;

#define LINE 64
#define WORDS_MAX 6          /* in one record */
#define WORDS_LIMIT (64 << 10) /* bytes of the log: beyond, lines are recorded */
static bool all_statics;
static const char *shadow;

namespace {

bool in_preserved(tree variable)
{
	const char *section = DECL_SECTION_NAME(variable);

	return section && !strcmp(section, ".preserved");
}

/* Whether it is reached by a pointer to a type that says it never lies in preserved memory (TX_LOCAL). */
bool local_type(tree base)
{
	tree type;

	if (TREE_CODE(base) != MEM_REF && TREE_CODE(base) != TARGET_MEM_REF)
		return false;
	type = TREE_TYPE(TREE_OPERAND(base, 0));
	if (POINTER_TYPE_P(type) && lookup_attribute("tx_local", TYPE_ATTRIBUTES(TREE_TYPE(type))))
		return true;
	return lookup_attribute("tx_local", TYPE_ATTRIBUTES(TREE_TYPE(base)));
}

/* Whether it is in a field that every incarnation makes anew (TX_DERIVED_FIELD). */
bool derived_field(tree reference)
{
	for (; handled_component_p(reference); reference = TREE_OPERAND(reference, 0))
		if (TREE_CODE(reference) == COMPONENT_REF &&
		    lookup_attribute("tx_derived", DECL_ATTRIBUTES(TREE_OPERAND(reference, 1))))
			return true;
	return false;
}

/* Whether what this refers to surely need not be saved. */
bool exempt(tree reference)
{
	tree base = get_base_address(reference);

	if (derived_field(reference))
		return true;
	if (!base)
		return false;
	if (local_type(base))
		return true;
	if (TREE_CODE(base) == MEM_REF && TREE_CODE(TREE_OPERAND(base, 0)) == ADDR_EXPR)
		base = get_base_address(TREE_OPERAND(TREE_OPERAND(base, 0), 0));
	if (TREE_CODE(base) == SSA_NAME || TREE_CODE(base) == RESULT_DECL || TREE_CODE(base) == PARM_DECL)
		return true;
	if (!VAR_P(base))
		return false;
	if (!is_global_var(base))
		return true;
	return !all_statics && !DECL_EXTERNAL(base) && !in_preserved(base);
}

/* What an asm statement can take as memory: no bit-field, which is stored to by the word around it. */
tree addressable(tree reference)
{
	while (TREE_CODE(reference) == COMPONENT_REF && DECL_BIT_FIELD(TREE_OPERAND(reference, 1))) {
		tree field = DECL_BIT_FIELD_REPRESENTATIVE(TREE_OPERAND(reference, 1));

		if (!field)
			reference = TREE_OPERAND(reference, 0);
		else
			reference = build3(COMPONENT_REF, TREE_TYPE(field),
					   unshare_expr(TREE_OPERAND(reference, 0)), field, NULL_TREE);
	}
	while (TREE_CODE(reference) == BIT_FIELD_REF || TREE_CODE(reference) == REALPART_EXPR ||
	       TREE_CODE(reference) == IMAGPART_EXPR || TREE_CODE(reference) == VIEW_CONVERT_EXPR)
		reference = TREE_OPERAND(reference, 0);
	return unshare_expr(reference);
}

tree byte_range(tree base, HOST_WIDE_INT from, HOST_WIDE_INT to)
{
	tree type = build_array_type_nelts(unsigned_char_type_node, to - from);

	return build2(MEM_REF, type, unshare_expr(base), build_int_cst(ptr_type_node, from));
}

/* The asm statement that is being made. */
struct question {
	char text[1600];
	int length;
	vec<tree, va_gc> *inputs;
	int inputs_count;
};

void __attribute__((format(printf, 2, 3))) say(question *q, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	q->length += vsnprintf(q->text + q->length, sizeof q->text - q->length, format, arguments);
	va_end(arguments);
}

/* The number that the text has for it. */
int input(question *q, tree memory)
{
	vec_safe_push(q->inputs, build_tree_list(build_tree_list(NULL_TREE, build_string(1, "m")), memory));
	return ++q->inputs_count;
}

void say_check(question *q, int memory)
{
	say(q, "leal %%%d, %%k0\n\tshrl $6, %%k0\n\tcmpb $0, %s(%%q0)\n\tjne 1f\n\t", memory, shadow);
}

void say_line(question *q, int memory)
{
	say(q, "leaq %%%d, %%q0\n\tcall tx_line_%%V0\n\t", memory);
}

/* Behind the checks: what is done where one of them says so, out of the way. */
void say_cold(question *q)
{
	say(q, "2:\n\t.subsection 1\n1:\t");
}

/* The words first..last are recorded, unless the log is so full that each line had better be recorded only once. */
void say_words(question *q, int first, int last)
{
	int count = last - first + 1;

	say(q, "cmpl $%d, tx_log\n\tja 3f\n\t", WORDS_LIMIT);
	say(q, "leaq %%%d, %%q0\n\torb $%d, %%b0\n\tpushq %%q0\n\tmovl tx_log, %%k0\n\t", first, count);
	say(q, "popq tx_log + %d(%%q0)\n\t", 8 + 8 * count);
	for (int i = 0; i < count; i++)
		say(q, "pushq %%%d\n\tpopq tx_log + %d(%%q0)\n\t", first + i, 8 + 8 * i);
	say(q, "addq $%d, tx_log\n\tjmp 2b\n3:\t", 8 + 8 * count);
}

/* The word around it, which is of no more than eight bytes and does not cross the end of one. */
void say_word_around(question *q, int memory)
{
	say(q,
	    "cmpl $%d, tx_log\n\tja 3f\n\t"
	    "leaq %%%d, %%q0\n\tandq $-8, %%q0\n\tpushq (%%q0)\n\torb $1, %%b0\n\tpushq %%q0\n\t"
	    "movl tx_log, %%k0\n\tpopq tx_log + 16(%%q0)\n\tpopq tx_log + 8(%%q0)\n\t"
	    "addq $16, tx_log\n\tjmp 2b\n3:\t",
	    WORDS_LIMIT, memory);
}

void ask(question *q, gimple_stmt_iterator *at, location_t where)
{
	vec<tree, va_gc> *outputs = NULL, *clobbers = NULL;
	tree scratch = make_ssa_name(long_unsigned_type_node);

	say(q, "jmp 2b\n\t.subsection 0");
	vec_safe_push(outputs, build_tree_list(build_tree_list(NULL_TREE, build_string(3, "=&r")), scratch));
	vec_safe_push(clobbers, build_tree_list(NULL_TREE, build_string(2, "cc")));

	gasm *statement = gimple_build_asm_vec(q->text, q->inputs, outputs, clobbers, NULL);
	SSA_NAME_DEF_STMT(scratch) = statement;
	gimple_asm_set_volatile(statement, true);
	gimple_set_location(statement, where);
	gsi_insert_before(at, statement, GSI_SAME_STMT);
}

/* Before `at`: for an object of at most eight bytes that does not cross the end of a word. */
void ask_small(gimple_stmt_iterator *at, tree memory, location_t where)
{
	question q = {};
	int operand = input(&q, memory);

	say_check(&q, operand);
	say_cold(&q);
	say_word_around(&q, operand);
	say_line(&q, operand);
	ask(&q, at, where);
}

void announce(gimple_stmt_iterator *at, tree address, tree length, location_t where)
{
	static tree function;

	if (!function) {
		tree type = build_function_type_list(void_type_node, ptr_type_node, size_type_node, NULL_TREE);

		function = build_fn_decl("tx_touch", type);
	}
	address = force_gimple_operand_gsi(at, address, true, NULL_TREE, true, GSI_SAME_STMT);
	length = force_gimple_operand_gsi(at, fold_convert(size_type_node, length), true, NULL_TREE, true,
					  GSI_SAME_STMT);
	gcall *call = gimple_build_call(function, 2, address, length);
	gimple_set_location(call, where);
	gsi_insert_before(at, call, GSI_SAME_STMT);
}

/* Stores of one block of code through the same pointer, with no call between them that could commit: asked for once,
 * before the first of them. */
struct group {
	gimple *first;
	tree base; /* a pointer */
	HOST_WIDE_INT from, to;
	unsigned align; /* of base, in bytes, */
	HOST_WIDE_INT misalign; /* plus this */
	location_t where;
};
auto_vec<group> groups;

/* Whether it begins and ends in the same piece of `size` bytes. */
bool in_one(const group &g, HOST_WIDE_INT size)
{
	HOST_WIDE_INT unit = MIN(size, (HOST_WIDE_INT)g.align), first = g.from + g.misalign, last = g.to - 1 + g.misalign;

	return first >= 0 && first / unit == last / unit;
}

/* As words, if they are few. */
void ask_group(group &g)
{
	gimple_stmt_iterator at = gsi_for_stmt(g.first);
	HOST_WIDE_INT from = g.from, to = g.to;
	question q = {};

	if (g.align >= 8) {
		from -= (g.from + g.misalign) & 7;
		to += -(g.to + g.misalign) & 7;
	} else if (in_one(g, 8)) {
		ask_small(&at, byte_range(g.base, from, to), g.where);
		return;
	}
	HOST_WIDE_INT count = g.align >= 8 ? (to - from) / 8 : WORDS_MAX + 1;
	int first = input(&q, byte_range(g.base, from, count <= WORDS_MAX ? from + 8 : to)), last = first;

	for (HOST_WIDE_INT i = 1; i < count && count <= WORDS_MAX; i++)
		last = input(&q, byte_range(g.base, from + 8 * i, from + 8 * i + 8));
	if (count > WORDS_MAX && !in_one(g, LINE))
		last = input(&q, byte_range(g.base, g.to - 1, g.to));
	say_check(&q, first);
	if (!in_one(g, LINE))
		say_check(&q, last);
	say_cold(&q);
	if (count <= WORDS_MAX)
		say_words(&q, first, last);
	say_line(&q, first);
	if (!in_one(g, LINE))
		say_line(&q, last);
	ask(&q, &at, g.where);
}

void finish_groups()
{
	for (group &g : groups)
		ask_group(g);
	groups.truncate(0);
}

/* Whether the reference is to a constant distance from a pointer. */
bool distance(tree memory, group *g)
{
	poly_int64 offset;
	HOST_WIDE_INT constant;
	unsigned HOST_WIDE_INT misalign;
	unsigned align;
	tree base = get_addr_base_and_unit_offset(memory, &offset);

	if (!base || !offset.is_constant(&constant))
		return false;
	if (TREE_CODE(base) == MEM_REF) {
		g->base = TREE_OPERAND(base, 0);
		if (!tree_fits_shwi_p(TREE_OPERAND(base, 1)))
			return false;
		constant += tree_to_shwi(TREE_OPERAND(base, 1));
	} else if (VAR_P(base)) {
		g->base = build_fold_addr_expr(base);
	} else {
		return false;
	}
	if (TREE_CODE(g->base) != SSA_NAME && TREE_CODE(g->base) != ADDR_EXPR)
		return false;
	get_object_alignment_1(memory, &align, &misalign);
	align /= BITS_PER_UNIT;
	misalign /= BITS_PER_UNIT;
	g->align = align;
	g->misalign = (((HOST_WIDE_INT)misalign - constant) % (HOST_WIDE_INT)align + align) % align;
	g->from = constant;
	return true;
}

/* Adds it to a group, if the whole then still is no longer than a line. */
void gather(gimple *statement, group &fresh)
{
	for (group &g : groups) {
		HOST_WIDE_INT from = MIN(g.from, fresh.from), to = MAX(g.to, fresh.to);

		if (!operand_equal_p(g.base, fresh.base, 0) || to - from > LINE)
			continue;
		g.from = from;
		g.to = to;
		if (fresh.align > g.align) {
			g.align = fresh.align;
			g.misalign = fresh.misalign;
		}
		return;
	}
	fresh.first = statement;
	groups.safe_push(fresh);
}

void store(gimple_stmt_iterator *at, tree to, location_t where)
{
	tree memory, size;
	HOST_WIDE_INT length;
	group g;

	if (exempt(to))
		return;
	memory = addressable(to);
	size = TYPE_SIZE_UNIT(TREE_TYPE(memory));
	length = size && tree_fits_uhwi_p(size) ? (HOST_WIDE_INT)tree_to_uhwi(size) : -1;
	if (length == 0)
		return;
	if (length < 0 || length > LINE) {
		if (!size)
			size = size_int(1);
		announce(at, build_fold_addr_expr(memory), unshare_expr(size), where);
		return;
	}
	g.where = where;
	if (distance(memory, &g)) {
		g.to = g.from + length;
		gather(gsi_stmt(*at), g);
	} else if (length <= 8 && (unsigned)length * BITS_PER_UNIT <= get_object_alignment(memory)) {
		ask_small(at, memory, where);
	} else {
		announce(at, build_fold_addr_expr(memory), size, where);
	}
}

/* Functions that write through an argument: which, and which says how much at most. */
const struct writer {
	const char *name;
	unsigned to, length;
} writers[] = { { "memcpy", 0, 2 },  { "memmove", 0, 2 },  { "memset", 0, 2 },   { "strlcpy", 0, 2 },
		{ "snprintf", 0, 1 }, { "vsnprintf", 0, 1 }, { "strncpy", 0, 2 }, { "mempcpy", 0, 2 },
		{ "__builtin_memcpy", 0, 2 }, { "__builtin_memset", 0, 2 }, { "__builtin_memmove", 0, 2 } };

void written(gimple_stmt_iterator *at, gcall *call)
{
	tree function = gimple_call_fndecl(call), to;

	if (!function || !DECL_NAME(function))
		return;
	for (const struct writer &w : writers) {
		if (strcmp(IDENTIFIER_POINTER(DECL_NAME(function)), w.name) ||
		    gimple_call_num_args(call) <= MAX(w.to, w.length))
			continue;
		to = gimple_call_arg(call, w.to);
		if (TREE_CODE(to) == ADDR_EXPR && exempt(TREE_OPERAND(to, 0)))
			return;
		if (TREE_CODE(to) == SSA_NAME) {
			gimple *from = SSA_NAME_DEF_STMT(to);

			if (from && is_gimple_assign(from) && gimple_assign_rhs_code(from) == ADDR_EXPR &&
			    exempt(TREE_OPERAND(gimple_assign_rhs1(from), 0)))
				return;
		}
		announce(at, to, gimple_call_arg(call, w.length), gimple_location(call));
		return;
	}
}

/* Whether a transaction could end in it. */
bool could_commit(gimple *s)
{
	return is_gimple_call(s) && !gimple_call_internal_p(s) &&
	       !(gimple_call_flags(s) & (ECF_CONST | ECF_PURE)) && !gimple_call_builtin_p(s, BUILT_IN_NORMAL);
}

void statement(gimple_stmt_iterator *at)
{
	gimple *s = gsi_stmt(*at);
	tree to;

	if (gimple_clobber_p(s))
		return;
	if (could_commit(s))
		finish_groups();
	if (is_gimple_call(s))
		written(at, as_a<gcall *>(s));
	to = is_gimple_call(s) || is_gimple_assign(s) ? gimple_get_lhs(s) : NULL_TREE;
	if (to && TREE_CODE(to) != SSA_NAME && gimple_vdef(s))
		store(at, to, gimple_location(s));
	if (could_commit(s))
		finish_groups();
}

const pass_data data = { GIMPLE_PASS, "tx", OPTGROUP_NONE, TV_NONE, PROP_ssa | PROP_cfg, 0, 0, 0,
			 TODO_update_ssa_only_virtuals };

class tx_pass : public gimple_opt_pass {
public:
	tx_pass() : gimple_opt_pass(data, g) {}
	bool gate(function *f) final override
	{
		return !lookup_attribute("no_instrument_function", DECL_ATTRIBUTES(f->decl));
	}
	unsigned execute(function *f) final override
	{
		basic_block block;

		FOR_EACH_BB_FN(block, f) {
			for (gimple_stmt_iterator at = gsi_start_bb(block); !gsi_end_p(at); gsi_next(&at))
				statement(&at);
			finish_groups();
		}
		return 0;
	}
};

}

static const struct attribute_spec tx_local = { "tx_local", 0, 0, false, true, false, false, NULL, NULL };
static const struct attribute_spec tx_derived = { "tx_derived", 0, 0, true, false, false, false, NULL, NULL };

static void register_attributes(void *, void *)
{
	register_attribute(&tx_local);
	register_attribute(&tx_derived);
}

int plugin_init(struct plugin_name_args *info, struct plugin_gcc_version *version)
{
	struct register_pass_info pass;

	if (!plugin_default_version_check(version, &gcc_version))
		return 1;
	for (int i = 0; i < info->argc; i++) {
		if (!strcmp(info->argv[i].key, "statics"))
			all_statics = true;
		else if (!strcmp(info->argv[i].key, "shadow"))
			shadow = info->argv[i].value;
	}
	if (!shadow)
		return 1;
	pass.pass = new tx_pass();
	pass.reference_pass_name = "optimized";
	pass.ref_pass_instance_number = 1;
	pass.pos_op = PASS_POS_INSERT_BEFORE;
	register_callback(info->base_name, PLUGIN_PASS_MANAGER_SETUP, NULL, &pass);
	register_callback(info->base_name, PLUGIN_ATTRIBUTES, register_attributes, NULL);
	return 0;
}
