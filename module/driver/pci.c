// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the kind "phys", as the BAR of a PCI device: QEMU's ivshmem-plain,
 * whose BAR 2 is a file or shared memory of the host.
 *
 * A device can go away while its memory is mapped. Then all that is left of it is
 * buffers without memory: mappings raise SIGBUS, descriptors give ENODEV.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "driver.h"

#define FM_IVSHMEM_ID	0x1110
#define FM_IVSHMEM_BAR	2

/**
 * struct faultmap_pci - a bound device
 * @range: its BAR
 * @buf: the buffer that shows it
 * @nodes: the nodes of that
 */
struct faultmap_pci {
	struct faultmap_range range;
	struct faultmap_buffer *buf;
	struct list_head nodes;
};

static int faultmap_pci_show(struct faultmap_pci *bound, const char *name)
{
	char prefix[32];
	int ret;

	bound->buf = faultmap_range_buffer(&bound->range);
	if (IS_ERR(bound->buf))
		return PTR_ERR(bound->buf);
	snprintf(prefix, sizeof(prefix), "pci-%s", name);
	ret = faultmap_nodes_add(&bound->nodes, bound->buf, prefix);
	if (ret) {
		/* Somebody may have opened one of the nodes. */
		fm_object_kill(&bound->buf->obj);
		faultmap_buffer_put(bound->buf);
	}
	return ret;
}

static int faultmap_pci_claim(struct faultmap_pci *bound, struct pci_dev *pdev)
{
	int ret;

	ret = pci_request_region(pdev, FM_IVSHMEM_BAR, KBUILD_MODNAME);
	if (ret)
		return ret;
	ret = faultmap_range_map(&bound->range,
				 pci_resource_start(pdev, FM_IVSHMEM_BAR),
				 pci_resource_len(pdev, FM_IVSHMEM_BAR));
	if (ret)
		goto release;
	ret = faultmap_pci_show(bound, pci_name(pdev));
	if (ret)
		goto unmap;
	return 0;

unmap:
	faultmap_range_unmap(&bound->range);
release:
	pci_release_region(pdev, FM_IVSHMEM_BAR);
	return ret;
}

static bool faultmap_pci_wanted(struct pci_dev *pdev)
{
	resource_size_t len = pci_resource_len(pdev, FM_IVSHMEM_BAR);

	return pci_resource_flags(pdev, FM_IVSHMEM_BAR) & IORESOURCE_MEM &&
	       len && PAGE_ALIGNED(len) &&
	       !faultmap_phys_has(pci_resource_start(pdev, FM_IVSHMEM_BAR),
				  pci_resource_end(pdev, FM_IVSHMEM_BAR));
}

static int faultmap_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct faultmap_pci *bound;
	int ret;

	if (!faultmap_pci_wanted(pdev))
		return -ENODEV;
	bound = kzalloc(sizeof(*bound), GFP_KERNEL);
	if (!bound)
		return -ENOMEM;
	INIT_LIST_HEAD(&bound->nodes);
	ret = pci_enable_device_mem(pdev);
	if (ret)
		goto free_bound;
	ret = faultmap_pci_claim(bound, pdev);
	if (ret)
		goto disable;
	pci_set_drvdata(pdev, bound);
	return 0;

disable:
	pci_disable_device(pdev);
free_bound:
	kfree(bound);
	return ret;
}

static void faultmap_pci_remove(struct pci_dev *pdev)
{
	struct faultmap_pci *bound = pci_get_drvdata(pdev);

	faultmap_nodes_remove(&bound->nodes);
	fm_object_kill(&bound->buf->obj);
	faultmap_buffer_put(bound->buf);
	faultmap_range_unmap(&bound->range);
	pci_release_region(pdev, FM_IVSHMEM_BAR);
	pci_disable_device(pdev);
	kfree(bound);
}

/* Not in the module's alias table: nobody should get the driver by a device. */
static const struct pci_device_id faultmap_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, FM_IVSHMEM_ID) },
	{ }
};

static struct pci_driver faultmap_pci_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= faultmap_pci_ids,
	.probe		= faultmap_pci_probe,
	.remove		= faultmap_pci_remove,
};

/**
 * faultmap_pci_init() - take the devices that there are, and that come
 *
 * Return: 0 or a negative errno.
 */
int faultmap_pci_init(void)
{
	return pci_register_driver(&faultmap_pci_driver);
}

/**
 * faultmap_pci_exit() - let go of all devices
 */
void faultmap_pci_exit(void)
{
	pci_unregister_driver(&faultmap_pci_driver);
}
