# The sandboxes of worker and agent, in forked children.
kiln_unit_test(sandbox SOURCES sandbox_test.c LIBRARIES kiln_sandbox)
kiln_unit_test(sandbox_calls SOURCES sandbox_calls_test.c LIBRARIES kiln_sandbox)
kiln_unit_test(sandbox_agent SOURCES sandbox_agent_test.c LIBRARIES kiln_sandbox)
